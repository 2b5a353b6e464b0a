// Which names hosts and groups may have: they become names of files and arguments of programs.

/** Files are named after hosts, and a file's name has at most 255 bytes. */
const MOST_BYTES = 200

/** What is wrong with the name of a host or a group, as a clause; undefined: nothing. */
export function nameFault(kind: 'host' | 'group', name: string): string | undefined {
  const has = (what: string) => `the name of a ${kind} must not ${what}`
  if (name === '') return has('be empty')
  if (Buffer.byteLength(name) > MOST_BYTES) return has(`be longer than ${MOST_BYTES} bytes`)
  if (name === '.' || name === '..') return has(`be "${name}"`)
  if (name.startsWith('-')) return has('start with a dash')
  if (/[/\\]/.test(name)) return has('contain a slash or a backslash')
  if (/\s/.test(name)) return has('contain spaces')
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Z}]/u.test(name)) return has('contain control or invisible characters')
  return undefined
}
