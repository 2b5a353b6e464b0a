// Becoming root in the same exec: how a script travels on stdin behind sudo and its password, and what sudo says.

import { randomBytes } from 'node:crypto'
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

/** What sudo (or sudo-rs, or the login shell) says in the C locale; the first that matches counts. */
const refusals: readonly [RegExp, (user: string, given: boolean) => Pick<Problem, 'what' | 'hint'>][] = [
  [
    /currently not available/,
    (user) => ({ what: `the login shell of ${user} runs no commands`, hint: 'give the user /bin/sh, or use another' }),
  ],
  [
    /sudo: (command )?not found|sudo: No such file/,
    (user) => ({ what: `${user} is not root, and there is no sudo`, hint: 'install sudo there, or log in as root' }),
  ],
  [
    /must have a tty/,
    (user) => ({ what: `sudo wants a terminal for ${user}`, hint: `visudo: Defaults:${user} !requiretty` }),
  ],
  [
    /not in the sudoers file|not allowed to (run|execute)|may not run sudo|can't do that/i,
    (user) => ({
      what: `sudo does not let ${user} become root`,
      hint: `allow it: usermod -aG sudo ${user} (wheel on Fedora), or log in as another user`,
    }),
  ],
  [
    /expired|account validation failure|unable to change expired/i,
    (user) => ({ what: `sudo refuses ${user}: the account or its password has expired`, hint: `chage -l ${user}` }),
  ],
  [
    /incorrect (password|authentication) attempt|try again|authentication failed|maximum .*attempts|no password was/i,
    (user, given) =>
      given
        ? { what: `sudo refused the password for ${user}`, hint: 'give the right one: -K, or ansible_become_password' }
        : wanted(user),
  ],
  [/password is required|terminal is required|askpass|authentication is required/i, wanted],
  [
    /must be owned by uid 0|effective uid is not 0|no new privileges|sudoers.*(syntax|parse) error|no valid sudoers/i,
    () => ({ what: 'sudo does not work there', hint: 'repair it as root, or log in as root' }),
  ],
]

function wanted(user: string): Pick<Problem, 'what' | 'hint'> {
  return { what: `sudo wants a password for ${user}`, hint: 'give it: -K, or ansible_become_password' }
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
  const found = refusals.find(([sign]) => sign.test(stderr))
  if (!found) return undefined
  const why = stderr.trim()
  return {
    kind: 'failed',
    where: host,
    ...found[1](become.user ?? 'this user', become.password !== undefined),
    ...(why ? { why } : {}),
  }
}
