// Reads inventory files: each at most once, decrypted when it is encrypted, named as people see it.
// At once, without Node's thread pool: the way through it takes longer than a small file.

import { isUtf8 } from 'node:buffer'
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, relative, resolve } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import { readRegularFile, reason } from '../files/read-file.ts'
import { Budget, LIMITS } from './budget.ts'
import { type Decrypt, decryptOrProblem, encryption } from './decrypt.ts'
import { isMap, name as nameOf, plain, usage, type Variables } from './value.ts'
import { parseYaml } from './yaml.ts'

export interface Text {
  readonly text: string
  readonly secret: boolean
}

export class Files {
  readonly problems: Problem[] = []
  readonly budget = new Budget()
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

  /** Undefined when it cannot be read or decrypted, or is not text, which is then a problem. */
  async text(path: string): Promise<Text | undefined> {
    const shown = this.shown(path)
    let data: Buffer
    try {
      data = readRegularFile(path, LIMITS.bytes)
    } catch (error) {
      this.problems.push(usage(shown, `cannot be read: ${reason(error)}`))
      return undefined
    }
    this.budget.spend('bytes', data.length, () => shown)
    const format = encryption(data)
    if (format === undefined) return this.#checked({ text: data.toString('utf8'), secret: false }, shown, data)
    const opened = await decryptOrProblem(this.decrypt, { place: { at: shown, path: '' }, format, data })
    if (opened.problem === undefined) return this.#checked({ text: opened.text, secret: true }, shown)
    this.problems.push(opened.problem)
    return undefined
  }

  /** Text without a byte order mark; bytes that are no UTF-8 and characters that no text file has are a problem. */
  #checked({ text, secret }: Text, shown: string, data?: Buffer): Text | undefined {
    const wrong = data === undefined || isUtf8(data) ? text.search(NOT_TEXT) : invalidUtf8(data, text)
    if (wrong === -1) return { text: text.replace(/^\uFEFF/, ''), secret }
    const before = text.slice(0, wrong).split('\n')
    const code = text.charCodeAt(wrong).toString(16).toUpperCase().padStart(4, '0')
    const what = code === 'FFFD' ? 'the file is not UTF-8 here' : `the file contains the control character U+${code}`
    this.problems.push(usage(`${shown}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`, what))
    return undefined
  }

  /** The directory's entries by name, links followed; empty when there is no such directory. */
  list(directory: string): readonly Entry[] {
    let found: Dirent[]
    try {
      found = readdirSync(directory, { withFileTypes: true })
    } catch (error) {
      if (kindOf(directory) !== undefined) {
        const what =
          kindOf(directory) === 'file' ? reason(error).replace('a component of its path', 'it') : reason(error)
        this.problems.push(usage(this.shown(directory), `cannot be read as a directory: ${what}`))
      }
      return []
    }
    this.budget.spend('files', found.length, () => this.shown(directory))
    found.sort((a, b) => (a.name < b.name ? -1 : 1))
    return found.map((entry) => {
      const path = resolve(directory, entry.name)
      const directoryLike = entry.isSymbolicLink() ? kindOf(path) === 'directory' : entry.isDirectory()
      return { name: entry.name, path, directory: directoryLike }
    })
  }

  /** The files below a directory that `isWanted`, in the order of their names. */
  below(directory: string, isWanted: (entry: Entry) => boolean, above: readonly string[] = []): readonly string[] {
    const real = realpathSync(directory)
    if (above.includes(real)) {
      const what = `the symbolic link points to ${this.shown(real)}, which contains it`
      throw new ProblemError(usage(this.shown(directory), what, 'remove the link'))
    }
    return this.list(directory)
      .filter(isWanted)
      .flatMap((entry) => (entry.directory ? this.below(entry.path, isWanted, [...above, real]) : [entry.path]))
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
    const { budget, decrypt } = this
    const { value, problems } = await parseYaml(file.text, this.shown(path), { secret: marked, decrypt, budget })
    this.problems.push(...problems)
    if (value === undefined || value.data === null) return new Map()
    if (isMap(value.data)) return value.data
    this.problems.push(
      usage(value, `expected a map of variables, got ${marked ? 'something else' : nameOf(plain(value))}`),
    )
    return new Map()
  }
}

/** What YAML's specification excludes: control characters other than tab and line breaks. */
const NOT_TEXT = /[^\P{Cc}\t\n\r\x85]|[\uFFFE\uFFFF]/u

/** Where `text`, which is made of `data`, has the first replacement character that stands for a wrong byte. */
function invalidUtf8(data: Buffer, text: string): number {
  let offset = 0
  let from = 0
  for (let i = text.indexOf('\uFFFD'); i !== -1; i = text.indexOf('\uFFFD', i + 1)) {
    offset += Buffer.byteLength(text.slice(from, i))
    if (data.readUIntBE(offset, Math.min(3, data.length - offset)) !== 0xefbfbd) return i
    from = i
  }
  return -1
}

/** What is at the path; undefined when there is nothing. */
export function kindOf(path: string): 'file' | 'directory' | undefined {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    // What is there and cannot be looked at is for the reader to refuse.
    return reason(error) === 'permission denied' ? 'file' : undefined
  }
}

export interface Entry {
  readonly name: string
  readonly path: string
  readonly directory: boolean
}
