// Reads inventory files: each at most once, decrypted when it is encrypted, named as people see it.
// At once, without Node's thread pool: the way through it takes longer than a small file.

import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, relative, resolve } from 'node:path'
import type { Problem } from '../engine/problem.ts'
import { type Decrypt, decryptOrProblem, encryption } from './decrypt.ts'
import { isMap, name as nameOf, plain, usage, type Variables } from './value.ts'
import { parseYaml } from './yaml.ts'

export interface Text {
  readonly text: string
  readonly secret: boolean
}

export class Files {
  readonly problems: Problem[] = []
  readonly cwd: string
  readonly decrypt: Decrypt | undefined
  readonly #variables = new Map<string, Promise<Variables>>()

  constructor(cwd: string, decrypt: Decrypt | undefined) {
    this.cwd = cwd
    this.decrypt = decrypt
  }

  /** The path as people type it: relative to the working directory when it is below. */
  shown(path: string): string {
    const short = relative(this.cwd, path)
    return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short
  }

  path(typed: string): string {
    return resolve(this.cwd, typed)
  }

  /** Undefined when it cannot be read or decrypted, which is then a problem. */
  async text(path: string): Promise<Text | undefined> {
    let data: Buffer
    try {
      data = readFileSync(path)
    } catch (error) {
      this.problems.push(usage(this.shown(path), `cannot be read: ${reason(error)}`))
      return undefined
    }
    const format = encryption(data)
    if (format === undefined) return { text: data.toString('utf8').replace(/^\uFEFF/, ''), secret: false }
    const opened = await decryptOrProblem(this.decrypt, { place: { at: this.shown(path), path: '' }, format, data })
    if (opened.problem === undefined) return { text: opened.text, secret: true }
    this.problems.push(opened.problem)
    return undefined
  }

  /** The variables of a vars file; `secret` marks them all. Empty when there is nothing to read, problems are kept. */
  variables(path: string, secret = false): Promise<Variables> {
    const known = this.#variables.get(path) ?? this.#parse(path, secret)
    this.#variables.set(path, known)
    return known
  }

  async #parse(path: string, secret: boolean): Promise<Variables> {
    const file = await this.text(path)
    if (file === undefined) return new Map()
    const marked = secret || file.secret
    const { value, problems } = await parseYaml(file.text, this.shown(path), { secret: marked, decrypt: this.decrypt })
    this.problems.push(...problems)
    if (value === undefined || value.data === null) return new Map()
    if (isMap(value.data)) return value.data
    this.problems.push(
      usage(value, `expected a map of variables, got ${marked ? 'something else' : nameOf(plain(value))}`),
    )
    return new Map()
  }
}

/** What is at the path; undefined when there is nothing. */
export function kindOf(path: string): 'file' | 'directory' | undefined {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file'
  } catch {
    return undefined
  }
}

export interface Entry {
  readonly name: string
  readonly path: string
  readonly directory: boolean
}

/** The directory's entries by name, links followed; empty when there is no such directory. */
export function list(directory: string): readonly Entry[] {
  let found: Dirent[]
  try {
    found = readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
  found.sort((a, b) => (a.name < b.name ? -1 : 1))
  return found.map((entry) => {
    const path = resolve(directory, entry.name)
    const directoryLike = entry.isSymbolicLink() ? kindOf(path) === 'directory' : entry.isDirectory()
    return { name: entry.name, path, directory: directoryLike }
  })
}

/** Why a file cannot be read, in words. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES') return 'permission denied'
  if (code === 'EISDIR') return 'it is a directory'
  return error instanceof Error ? error.message : String(error)
}
