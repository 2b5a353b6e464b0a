// Becomes root with sudo in the same exec, and explains why sudo fails.

import { randomBytes } from 'node:crypto'
import { diagnose } from '../../diagnosis/diagnose.ts'
import { SUDO } from '../../diagnosis/sudo.ts'
import type { Problem } from '../../engine/problem.ts'
import type { Secret } from '../../engine/secret.ts'

export interface Become {
  /** The login's name, where it is known: for messages, and `root` needs no password to be sent. */
  readonly user?: string | undefined
  /** false: run as the login, whoever it is. Otherwise root: by sudo unless the login is root (found out over there). */
  readonly become?: boolean | undefined
  /** sudo's password; sent only on stdin, used only if sudo wants one. */
  readonly password?: Secret | undefined
}

export interface Launch {
  /** For the login shell, be it fish or csh: tells nothing. */
  readonly command: string
  /** What stdin begins with: holds the password and the script. */
  readonly preamble: string
}

/**
 * `whole`: the caller ends stdin after the preamble; nothing of the script runs before all of it has come.
 * `open`, `feed`: the script starts when it has come; what the caller writes after the preamble, or the end of
 * stdin, is the script's own input.
 * In each the script runs with LC_ALL=C, by /bin/sh, in one process with the shell that read it.
 */
export function launch(how: Become & { readonly mode: 'whole' | 'open' | 'feed'; readonly script: string }): Launch {
  const marker = randomBytes(12).toString('hex')
  const password = how.become === false || how.user === 'root' ? undefined : how.password?.reveal()
  if (password !== undefined && /[\n\0]/.test(password)) throw new TypeError('a sudo password is one line')
  const script = how.mode === 'whole' ? how.script : `${how.script}\n${marker}.\n`
  const first = `LC_ALL=C; export LC_ALL; p='${inner(marker, how.mode)}'; ${outer(how.become, password)}`
  return {
    // The first line of stdin is the program: so no quotes of it meet the login shell's.
    command: `/bin/sh -c 'IFS= read -r l; eval "$l"'`,
    preamble: [first, ...passwordLines(password), marker, script].join('\n'),
  }
}

/** Runs as root: throws away what sudo did not read, up to the marker, then reads the script. Has no single quotes. */
function inner(marker: string, mode: 'whole' | 'open' | 'feed'): string {
  const skip = `LC_ALL=C; export LC_ALL; while IFS= read -r l && [ "$l" != ${marker} ]; do :; done`
  // `read` takes byte by byte from a pipe, so that nothing of what follows is lost; `cat` is faster where nothing does.
  const line = `while IFS= read -r l && [ "$l" != ${marker}. ]; do printf "%s\\n" "$l"; done`
  return `${skip}; eval "$(${mode === 'whole' ? 'cat' : line})"`
}

/**
 * Runs as the login. The password is tried first with an input that ends after it: a wrong one is one failed attempt
 * (three would lock accounts and take 6 s), and no line of the script can ever be taken for a password.
 */
function outer(become: boolean | undefined, password: string | undefined): string {
  if (become === false) return 'exec /bin/sh -c "$p"'
  const root = `if [ "$(id -u)" = 0 ]; then exec /bin/sh -c "$p"; fi`
  if (password === undefined) return `${root}; exec sudo -n /bin/sh -c "$p"`
  const attempt = `printf "%s\\n" "$w" 2>/dev/null | sudo -S -p "" /bin/sh -c : 2>&1`
  const check = `e=$(${attempt}) || { c=$?; printf "%s\\n" "$e" >&2; exit "$c"; }`
  return `${root}; IFS= read -r w; ${check}; unset w e; exec sudo -S -p "" /bin/sh -c "$p"`
}

/** One for the trial, one for sudo itself when it keeps no timestamp, and two that are harmless as passwords. */
function passwordLines(password: string | undefined): string[] {
  return password === undefined ? [] : [password, password, '-', '-']
}

/**
 * Why the script of a launch never started, from what came on stderr; undefined when it was not sudo's doing. Ask only
 * when the script has shown no sign of life: its own words could look the same.
 */
export function becomeProblem(end: {
  readonly host: string
  readonly stderr: string
  readonly code: number | null
  readonly become: Become
}): Problem | undefined {
  const { host, stderr, code, become } = end
  if (code === 0) return undefined
  const values = { user: become.user ?? 'this user', password: become.password === undefined ? 'unset' : 'set' }
  const found = diagnose(SUDO, { text: stderr, values })
  if (found === undefined) return undefined
  const { cause, hint } = found
  const why = stderr.trim()
  return {
    kind: 'failed',
    where: host,
    what: cause,
    ...(why ? { why } : {}),
    ...(hint !== undefined && { hint }),
  }
}
