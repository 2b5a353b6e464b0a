// The flags of more than one command, as data. A flag of one command stands in that command's declaration.

import type { Flag, Flags } from './flag.ts'

/** Every command has them, unless its declaration says which (`takes`). Heading, then flags by their long names. */
export const SHARED_GROUPS = {
  'What and where': {
    inventory: {
      flags: '-i, --inventory <path>',
      kind: 'values',
      again: true,
      about: 'file or directory (default: inventories/default)',
    },
    limit: {
      flags: '-l, --limit <pattern>',
      kind: 'value',
      again: true,
      narrows: true,
      about: 'Ansible host patterns: edge-1,staging:!db',
    },
    tags: {
      flags: '-t, --tags <names>',
      kind: 'values',
      again: true,
      narrows: true,
      about: 'run only these stages and addons',
    },
    'skip-tags': {
      flags: '--skip-tags <names>',
      kind: 'values',
      again: true,
      narrows: true,
      about: 'skip these stages and addons',
    },
    'extra-vars': {
      flags: '-e, --extra-vars <vars>',
      kind: 'values',
      again: true,
      about: 'k=v, JSON, YAML or @file; wins over everything',
    },
    'list-hosts': { flags: '--list-hosts', kind: 'switch', about: 'print the matching hosts and exit' },
    'list-tags': { flags: '--list-tags', kind: 'switch', about: 'print the available tags and exit' },
  },
  How: {
    check: { flags: '-C, --check', kind: 'switch', about: 'show what would be done and exit, as plan does' },
    diff: { flags: '-D, --diff', kind: 'switch', about: 'show file contents, including new files' },
    forks: { flags: '-f, --forks <n>', kind: 'value', again: true, about: 'hosts at a time (default: 10)' },
    timeout: {
      flags: '--timeout <duration>',
      kind: 'value',
      again: true,
      about: 'limit of the longest wait: 90s, 10m, 1h30m',
    },
  },
  'Logging in': {
    user: { flags: '-u, --user <name>', kind: 'value', again: true, about: 'log in as' },
    'private-key': { flags: '--private-key <file>', kind: 'value', again: true, about: 'key to log in with' },
    'ssh-common-args': {
      flags: '--ssh-common-args <args>',
      kind: 'value',
      again: true,
      about: "more arguments for the system's ssh",
    },
    become: {
      flags: '-b, --become',
      kind: 'switch',
      again: true,
      about: 'become root with sudo (default unless you log in as root)',
    },
    'ask-become-pass': {
      flags: '-K, --ask-become-pass',
      kind: 'switch',
      again: true,
      about: 'ask for the sudo password',
    },
    'ask-pass': { flags: '-k, --ask-pass', kind: 'switch', again: true, about: 'ask for the SSH password' },
  },
  'Encrypted files': {
    'vault-password-file': {
      flags: '--vault-password-file <file>',
      kind: 'values',
      again: true,
      about: 'the ansible-vault password, or a program that prints it; repeatable',
    },
    'ask-vault-pass': {
      flags: '-J, --ask-vault-pass',
      kind: 'switch',
      again: true,
      about: 'ask for the ansible-vault password when it is needed',
    },
    'vault-id': {
      flags: '--vault-id <id>',
      kind: 'values',
      again: true,
      about: '[label@]FILE or [label@]prompt, repeatable (age keys: K3S_PLATFORM_AGE_KEY_FILE)',
    },
  },
  Output: {
    output: { flags: '-o, --output <format>', kind: 'value', about: 'text (default), json, junit or github' },
    events: { flags: '--events <file>', kind: 'value', about: 'append the event stream to it, as JSON lines' },
    quiet: { flags: '-q, --quiet', kind: 'switch', about: 'print only problems and the recap' },
    verbose: { flags: '-v, --verbose', kind: 'count', about: '-v results, -vv what ran, -vvv the wire' },
    'no-color': { flags: '--no-color', kind: 'switch', about: 'no color (NO_COLOR and FORCE_COLOR also work)' },
    debug: { flags: '--debug', kind: 'switch', about: 'show the stack trace of an internal error' },
  },
} as const satisfies Readonly<Record<string, Flags>>

export const SHARED = {
  ...SHARED_GROUPS['What and where'],
  ...SHARED_GROUPS.How,
  ...SHARED_GROUPS['Logging in'],
  ...SHARED_GROUPS['Encrypted files'],
  ...SHARED_GROUPS.Output,
} as const

export type SharedName = keyof typeof SHARED

/** What a run reads for every command (as variables, at least), and what only some commands have as a flag. */
export const RUN = {
  yes: { flags: '-y, --yes', kind: 'switch', about: 'do not ask for confirmation' },
  fallback: {
    flags: '--fallback <issuer>',
    kind: 'value',
    again: true,
    about: 'selfsigned: use it until a run without this flag',
  },
  'no-snapshot': {
    flags: '--no-snapshot',
    kind: 'switch',
    again: true,
    about: 'upgrade k3s without a datastore snapshot',
  },
  'delete-snapshots': {
    flags: '--delete-snapshots',
    kind: 'switch',
    again: true,
    about: 'also delete the datastore snapshots (default: refuse if any exist)',
  },
  'delete-crds': {
    flags: '--delete-crds',
    kind: 'switch',
    again: true,
    about: 'with --yes: delete CRDs of disabled addons, and objects',
  },
  'take-back': {
    flags: '--take-back',
    kind: 'switch',
    again: true,
    about: 'recovery: suspend GitOps, apply to what it owns',
  },
  'hand-over': {
    flags: '--hand-over',
    kind: 'switch',
    again: true,
    about: 'after --take-back: hand the objects back to GitOps',
  },
  locked: {
    flags: '--locked',
    kind: 'switch',
    again: true,
    about: 'install only what the lock file lists; default in CI',
  },
} as const satisfies Readonly<Record<string, Flag>>
