// Shortens revisions of Git for people.

/** `main@sha1:90ab1c2…` as Flux writes it as `main@90ab1c2`; a bare commit by its first seven digits. */
export function shortRevision(revision: string): string {
  return revision.replace(/(?:sha1|sha256):([0-9a-f]{7})[0-9a-f]*/, '$1').replace(/^([0-9a-f]{7})[0-9a-f]{33,}$/, '$1')
}
