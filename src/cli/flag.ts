// The shape of a flag: help, parsing, completion and its environment variable are made from it.

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
  /** A few words: it has one or two lines of the help. */
  readonly about: string
  /** Part of the same command for another purpose: repeated in `To apply it: ...`. */
  readonly again?: true
  /** It narrows what is done: set to nothing, it must not mean everything. Its variable may be unset, but not blank. */
  readonly narrows?: true
}

/** By the long name. */
export type Flags = Readonly<Record<string, Flag>>

/** `K3S_PLATFORM_SKIP_TAGS` for `skip-tags`. */
export function variableOf(name: string): string {
  return `K3S_PLATFORM_${name.toUpperCase().replaceAll('-', '_')}`
}

/** `-i` and `--inventory`. */
export function spellings({ flags }: Flag): readonly string[] {
  return flags.match(/(?<![\w<-])--?[a-zA-Z][\w-]*/g) ?? []
}
