// Joins a folder and a path from an inventory, a chart or a repository, and makes sure that the result stays in the folder.

import { lstatSync, realpathSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ProblemError } from '../engine/problem.ts'

/** File systems take 255 bytes; temporary files add to the name. */
const MOST_NAME_BYTES = 223

/** The path itself. Throws a usage ProblemError unless each of its parts is a plain name: no `..`, no `\`, no control character. */
export function relativePath(path: string): string {
  const parts = path.split('/')
  const fault = parts.map(faultOf).find((one) => one !== undefined)
  if (fault === undefined) return path
  throw refusal(path, fault)
}

/** The name of one file: a slash in it is encoded. Throws as `relativePath`. */
export const fileName = (name: string): string => relativePath(name.replaceAll('/', '%2F'))

/** The path below `root`. Throws as `relativePath`, and where a link on the way leads out of `root` or nowhere. */
export function pathInside(root: string, path: string): string {
  const top = resolve(root)
  const whole = join(top, relativePath(path))
  for (let folder = dirname(whole); folder !== top; folder = dirname(folder)) {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) continue
    if (isBelow(top, folder)) break
    throw refusal(path, `a symbolic link in the path points outside ${root}`)
  }
  return whole
}

function isBelow(top: string, folder: string): boolean {
  try {
    return relative(realpathSync(top), realpathSync(folder)).split('/')[0] !== '..'
  } catch {
    return false
  }
}

function faultOf(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return `it contains ${name === '' ? 'an empty name' : `"${name}"`}`
  if (/[\\\p{Cc}]/u.test(name)) return 'it contains a backslash or a control character'
  if (Buffer.byteLength(name) > MOST_NAME_BYTES) return `a component is longer than ${MOST_NAME_BYTES} bytes`
  return undefined
}

function refusal(path: string, why: string): ProblemError {
  const shown = path.length > 80 ? `${path.slice(0, 80)}...` : path
  return new ProblemError({ kind: 'usage', where: shown, what: 'it is not a valid target path', why })
}
