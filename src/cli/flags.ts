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
  /** It narrows what is done: set to nothing, it must not mean everything. Its variable may be unset, but not blank. */
  readonly narrows?: true
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
    to: { flags: '--to <release>', kind: 'value', again: true, only: ['upgrade'], about: 'k3s release to upgrade to' },
    yes: {
      flags: '-y, --yes',
      kind: 'switch',
      only: ['apply', 'plan', 'certs', 'lock', 'reset'],
      about: 'do not ask for confirmation',
    },
    fallback: {
      flags: '--fallback <issuer>',
      kind: 'value',
      again: true,
      only: ['apply', 'plan'],
      about: 'selfsigned: use the selfSigned issuer until a run without this flag',
    },
    'no-snapshot': {
      flags: '--no-snapshot',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan', 'upgrade'],
      about: 'upgrade k3s without a datastore snapshot',
    },
    'delete-snapshots': {
      flags: '--delete-snapshots',
      kind: 'switch',
      again: true,
      only: ['reset'],
      about: 'also delete the datastore snapshots (default: refuse if any exist)',
    },
    'delete-crds': {
      flags: '--delete-crds',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'with --yes: also delete the CRDs of disabled addons and all their objects',
    },
    'take-back': {
      flags: '--take-back',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'suspend GitOps and apply the inventory to its objects, for a recovery; asks for confirmation',
    },
    'hand-over': {
      flags: '--hand-over',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan'],
      about: 'hand objects back to GitOps after --take-back, and resume it',
    },
    locked: {
      flags: '--locked',
      kind: 'switch',
      again: true,
      only: ['apply', 'plan', 'upgrade'],
      about: 'install only what k3s-platform.lock lists (default if CI is set and the file exists)',
    },
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
  Tree: {
    tree: {
      flags: '--tree <dir>',
      kind: 'value',
      again: true,
      only: ['render'],
      about: 'directory to write the tree to, such as a Git repository',
    },
    commit: {
      flags: '--commit',
      kind: 'switch',
      again: true,
      only: ['render'],
      about: 'commit only these files, not other changed or staged files',
    },
    overwrite: {
      flags: '--overwrite',
      kind: 'switch',
      again: true,
      only: ['render'],
      about: 'also overwrite files that were changed in Git',
    },
  },
  Certificates: {
    namespace: {
      flags: '-n, --namespace <name>',
      kind: 'value',
      again: true,
      narrows: true,
      only: ['certs'],
      about: 'only certificates of this namespace (default: all)',
    },
    'all-namespaces': {
      flags: '-A, --all-namespaces',
      kind: 'switch',
      again: true,
      only: ['certs'],
      about: 'certificates of all namespaces (the default)',
    },
    'expiring-within': {
      flags: '--expiring-within <duration>',
      kind: 'value',
      narrows: true,
      only: ['certs'],
      about: 'list: only what expires within it (30d, 12h) or has expired; exit code 2 if there is any',
    },
    days: {
      flags: '--days <number>',
      kind: 'value',
      only: ['certs'],
      about: 'forecast: how far it goes (default: 400)',
    },
    watch: { flags: '-w, --watch', kind: 'switch', only: ['certs'], about: 'list: stay and show every change' },
    all: { flags: '--all', kind: 'switch', again: true, only: ['certs'], about: 'renew: all certificates that match' },
    'delete-secret': {
      flags: '--delete-secret',
      kind: 'switch',
      again: true,
      only: ['certs'],
      about: 'remove: also delete its Secret (default: keep it, no longer renewed)',
    },
  },
  Kubeconfig: {
    context: {
      flags: '--context <name>',
      kind: 'value',
      only: ['kubeconfig'],
      about: 'name of context, cluster and user (default: the host name)',
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
      about: 'replace entries of the same name that belong to another cluster',
    },
    print: { flags: '--print', kind: 'switch', only: ['kubeconfig'], about: 'print it, with its key; write no file' },
    tunnel: {
      flags: '--tunnel',
      kind: 'switch',
      only: ['kubeconfig'],
      about: 'connect through SSH until Ctrl-C, or while the command after -- runs',
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
      about: 'become root with sudo (default if the login user is not root)',
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
      about: 'file with the ansible-vault password, or a program that prints it; repeatable',
    },
    'ask-vault-pass': {
      flags: '-J, --ask-vault-pass',
      kind: 'switch',
      again: true,
      about: 'ask for the ansible-vault password if anything is encrypted',
    },
    'vault-id': {
      flags: '--vault-id <id>',
      kind: 'values',
      again: true,
      about: '[label@]FILE or [label@]prompt, repeatable (age keys: K3S_PLATFORM_AGE_KEY_FILE)',
    },
  },
  Output: {
    output: {
      flags: '-o, --output <format>',
      kind: 'value',
      about: 'text (default), json, junit or github; certs: wide, yaml, html',
    },
    events: { flags: '--events <file>', kind: 'value', about: 'append the event stream to it, as JSON lines' },
    quiet: { flags: '-q, --quiet', kind: 'switch', about: 'print only problems and the recap' },
    verbose: {
      flags: '-v, --verbose',
      kind: 'count',
      about: '-v results, -vv what ran, -vvv the wire without secrets',
    },
    'no-color': { flags: '--no-color', kind: 'switch', about: 'no color (NO_COLOR and FORCE_COLOR also work)' },
    debug: { flags: '--debug', kind: 'switch', about: 'show the stack trace of an internal error' },
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

export function flagOf(name: string): Flag | undefined {
  return allFlags().find(([other]) => other === name)?.[1]
}

/** `K3S_PLATFORM_SKIP_TAGS` for `skip-tags`. */
export function variableOf(name: string): string {
  return `K3S_PLATFORM_${name.toUpperCase().replaceAll('-', '_')}`
}
