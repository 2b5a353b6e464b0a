// Why a user could not become root on a host.

import type { Row } from './diagnose.ts'

const PASSWORD = 'sudo requires a password for {user}'
const PASSWORD_HINT = 'set it: -K, or ansible_become_password'

/** Words of sudo 1.8 to 1.9, sudo-rs 0.2 and nologin in the C locale. `{user}`; `password`: `set` when one was given. */
export const SUDO: readonly Row[] = [
  {
    name: 'nologin',
    pattern: /currently not available/,
    cause: 'the login shell of {user} does not run commands',
    hint: "set the user's shell to /bin/sh, or use another user",
    example: 'This account is currently not available.',
  },
  {
    name: 'no-sudo',
    pattern: /sudo: (command )?not found|sudo: No such file/,
    cause: '{user} is not root, and sudo is not installed',
    hint: 'install sudo on the host, or log in as root',
    example: '/bin/sh: 1: exec: sudo: not found',
  },
  {
    name: 'tty',
    pattern: /must have a tty/,
    cause: 'sudo requires a terminal for {user}',
    hint: 'visudo: Defaults:{user} !requiretty',
    example: 'sudo: sorry, you must have a tty to run sudo',
  },
  {
    name: 'not-allowed',
    pattern: /not in the sudoers file|not allowed to (run|execute)|may not run sudo|can't do that/i,
    cause: 'sudo does not let {user} become root',
    hint: 'allow it: usermod -aG sudo {user} (wheel on Fedora), or log in as another user',
    example: 'deploy is not in the sudoers file.',
  },
  {
    name: 'expired',
    pattern: /expired|account validation failure|unable to change expired/i,
    cause: 'sudo refuses {user}: the account or its password has expired',
    hint: 'chage -l {user}',
    example: 'sudo: account validation failure, is your account locked?',
  },
  {
    name: 'password-refused',
    pattern:
      /incorrect (password|authentication) attempt|try again|authentication failed|maximum .*attempts|no password was/i,
    when: { password: 'set' },
    cause: 'sudo refused the password for {user}',
    hint: 'use the correct password: -K, or ansible_become_password',
    example: 'sudo: 1 incorrect password attempt',
  },
  {
    name: 'password-asked',
    pattern:
      /incorrect (password|authentication) attempt|try again|authentication failed|maximum .*attempts|no password was/i,
    cause: PASSWORD,
    hint: PASSWORD_HINT,
    example: 'sudo: no password was provided',
  },
  {
    name: 'password-required',
    pattern: /password is required|terminal is required|askpass|authentication is required/i,
    cause: PASSWORD,
    hint: PASSWORD_HINT,
    example: 'sudo: a password is required',
  },
  {
    name: 'broken',
    pattern:
      /must be owned by uid 0|effective uid is not 0|no new privileges|sudoers.*(syntax|parse) error|no valid sudoers/i,
    cause: 'sudo does not work on the host',
    hint: 'repair it as root, or log in as root',
    example: '/etc/sudoers:28:11: syntax error',
  },
]
