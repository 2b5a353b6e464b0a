// A release asset: where it lies and how its digest is known.

export interface Asset {
  /** Tried in order. */
  readonly urls: readonly string[]
  /** Lower case hex; null: as published in `sums`. */
  readonly sha256: string | null
  /** A file of lines `<sha256>  <name>`, as releases publish it beside their assets. */
  readonly sums: { readonly url: string; readonly name: string } | null
  /** An absolute path on the workstation: it is sent, and nothing is fetched. */
  readonly file?: string
  /** What is longer is not fetched; default: 2 GiB, and an archive of images has 300 MB. */
  readonly maxBytes?: number
  /** Whose word the digest is, for people. */
  readonly by?: 'pinned' | 'locked' | 'as published' | 'from the file'
  /** How the variables that say where it comes from begin, for hints; default `k3s_platform_k3s`. */
  readonly variables?: string
}
