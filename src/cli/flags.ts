// The flags that every command shares, as data: help, parsing and environment variables are made from this table.

export type CommandName = 'apply' | 'plan' | 'certs' | 'doctor' | 'render' | 'lock' | 'upgrade' | 'kubeconfig' | 'reset'

type FlagKind =
  /** On or off; in the environment `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`. */
  | 'switch'
  /** Given several times it means more; in the environment a number. */
  | 'count'
  /** One value: the last one wins. */
  | 'value'
  /** Every value counts; in the environment one a line. */
  | 'values'

export interface Flag {
  /** As commander writes it. */
  readonly flags: string
  readonly kind: FlagKind
  readonly about: string
  /** Part of the same command for another purpose: repeated in `To do it: ...`. */
  readonly again?: true
  /** The commands that have it; default: all. */
  readonly only?: readonly CommandName[]
}

/** Heading in the help, then flags by the name of their long form. */
export const FLAGS = {
  'What and where': {
    inventory: {
      flags: '-i, --inventory <path>',
      kind: 'values',
      again: true,
      about: 'file or directory, repeatable (default: inventories/default, else the only one in inventories/)',
    },
    limit: {
      flags: '-l, --limit <pattern>',
      kind: 'value',
      again: true,
      about: 'hosts, as Ansible writes them: edge-1,staging:!db',
    },
    tags: { flags: '-t, --tags <names>', kind: 'values', again: true, about: 'only these stages and addons' },
    'skip-tags': {
      flags: '--skip-tags <names>',
      kind: 'values',
      again: true,
      about: 'all but these stages and addons',
    },
    'extra-vars': {
      flags: '-e, --extra-vars <vars>',
      kind: 'values',
      again: true,
      about: 'k=v, JSON, YAML or @file; wins over everything',
    },
    'list-hosts': { flags: '--list-hosts', kind: 'switch', about: 'print the hosts that are meant, do nothing' },
    'list-tags': { flags: '--list-tags', kind: 'switch', about: 'print the tags there are, do nothing' },
  },
  How: {
    to: { flags: '--to <release>', kind: 'value', again: true, only: ['upgrade'], about: 'k3s release to go to' },
    yes: { flags: '-y, --yes', kind: 'switch', only: ['apply', 'plan', 'certs', 'lock', 'reset'], about: 'do not ask' },
    fallback: {
      flags: '--fallback <issuer>',
      kind: 'value',
      again: true,
      only: ['apply', 'plan'],
      about: 'selfsigned: certificates of the selfSigned issuer, until a run without it',
    },
    'delete-crds': {
      flags: '--delete-crds',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'with --yes: an addon that is turned off takes its CRDs and all their objects along',
    },
    'take-back': {
      flags: '--take-back',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'suspends what applies the tree and makes its objects ours again, for a recovery; asks',
    },
    'hand-over': {
      flags: '--hand-over',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'gives back to GitOps what was taken back, or suspended',
    },
    locked: {
      flags: '--locked',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan', 'upgrade'],
      about: 'only what k3s-platform.lock has (default where CI=true and there is one)',
    },
    check: { flags: '-C, --check', kind: 'switch', about: 'do nothing, show what would be done: the same as plan' },
    diff: { flags: '-D, --diff', kind: 'switch', about: "show files' contents, those of new files included" },
    forks: { flags: '-f, --forks <n>', kind: 'value', again: true, about: 'hosts at a time (default: 10)' },
    timeout: {
      flags: '--timeout <duration>',
      kind: 'value',
      again: true,
      about: 'bound of the longest wait: 90s, 10m, 1h30m',
    },
  },
  Tree: {
    tree: {
      flags: '--tree <dir>',
      kind: 'value',
      again: true,
      only: ['render'],
      about: 'folder to write the tree to: a repository, or any',
    },
    commit: {
      flags: '--commit',
      kind: 'switch',
      again: true,
      only: ['render'],
      about: 'commit these files, and nothing else that is changed or staged',
    },
    overwrite: {
      flags: '--overwrite',
      kind: 'switch',
      again: true,
      only: ['render'],
      about: 'also what was changed in Git since it was written',
    },
  },
  Certificates: {
    namespace: {
      flags: '-n, --namespace <name>',
      kind: 'value',
      again: true,
      only: ['certs'],
      about: 'only certificates of this namespace (default: of all)',
    },
    all: { flags: '--all', kind: 'switch', again: true, only: ['certs'], about: 'renew: all that were found' },
    'delete-secret': {
      flags: '--delete-secret',
      kind: 'switch',
      again: true,
      only: ['certs'],
      about: 'remove: its Secret goes, too (default: it stays, and is renewed no more)',
    },
  },
  Kubeconfig: {
    context: {
      flags: '--context <name>',
      kind: 'value',
      only: ['kubeconfig'],
      about: "name of context, cluster and user (default: the host's)",
    },
    server: {
      flags: '--server <address>',
      kind: 'value',
      only: ['kubeconfig'],
      about: "ssh-host (default), tls-san (the first one), one of the certificate's names, or a URL",
    },
    use: { flags: '--use', kind: 'switch', only: ['kubeconfig'], about: 'make it the current context' },
    replace: {
      flags: '--replace',
      kind: 'switch',
      only: ['kubeconfig'],
      about: 'take the place of entries of the same name that belong to another cluster',
    },
    print: { flags: '--print', kind: 'switch', only: ['kubeconfig'], about: 'print it, with its key; write no file' },
    tunnel: {
      flags: '--tunnel',
      kind: 'switch',
      only: ['kubeconfig'],
      about: 'through the SSH connection: until Ctrl-C, or as long as the command behind -- runs',
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
      about: 'become root by sudo (a login that is not root does anyway)',
    },
    'ask-become-pass': {
      flags: '-K, --ask-become-pass',
      kind: 'switch',
      again: true,
      about: 'ask for the password of sudo',
    },
    'ask-pass': { flags: '-k, --ask-pass', kind: 'switch', again: true, about: 'ask for the password of the login' },
  },
  'Encrypted files': {
    'vault-password-file': {
      flags: '--vault-password-file <file>',
      kind: 'values',
      again: true,
      about: 'password of ansible-vault; a program prints it. Repeatable',
    },
    'ask-vault-pass': {
      flags: '-J, --ask-vault-pass',
      kind: 'switch',
      again: true,
      about: 'ask for it when something is encrypted',
    },
    'vault-id': {
      flags: '--vault-id <id>',
      kind: 'values',
      again: true,
      about: '[label@]FILE or [label@]prompt, repeatable (keys of age: K3S_PLATFORM_AGE_KEY_FILE)',
    },
  },
  Output: {
    output: { flags: '-o, --output <format>', kind: 'value', about: 'text, json, junit or github (default: text)' },
    events: { flags: '--events <file>', kind: 'value', about: 'append the event stream to it, as JSON lines' },
    quiet: { flags: '-q, --quiet', kind: 'switch', about: 'only problems and the recap' },
    verbose: {
      flags: '-v, --verbose',
      kind: 'count',
      about: '-v results, -vv what ran, -vvv the wire without secrets',
    },
    'no-color': { flags: '--no-color', kind: 'switch', about: 'no colour (NO_COLOR and FORCE_COLOR are known, too)' },
    debug: { flags: '--debug', kind: 'switch', about: 'show where in the program an internal error came from' },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Flag>>>>

type Groups = typeof FLAGS
export type FlagName = { [G in keyof Groups]: keyof Groups[G] & string }[keyof Groups]

/** All of them, without their headings. */
export function allFlags(): readonly (readonly [name: string, flag: Flag])[] {
  return Object.values(FLAGS).flatMap((group) => Object.entries<Flag>(group))
}

export function belongs({ only }: Flag, command: string): boolean {
  return only === undefined || only.some((name) => name === command)
}

/** `K3S_PLATFORM_SKIP_TAGS` for `skip-tags`. */
export function variableOf(name: string): string {
  return `K3S_PLATFORM_${name.toUpperCase().replaceAll('-', '_')}`
}
