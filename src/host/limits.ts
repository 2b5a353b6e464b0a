// Bounds on what comes from a node: generous for real ones, small enough that a hostile one exhausts nothing.

const KIB = 1024
const MIB = 1024 * KIB

/** Output of one probe or step, stdout and stderr together. Files are shown up to 64 KiB; package managers print some MiB at most. */
export const MAX_FRAME_BYTES = 8 * MIB
/** Everything that one command on a node may print. */
export const MAX_EXEC_BYTES = 32 * MIB
/** Progress reports of one command: a step that waits reports once a second, so this is half a day. */
export const MAX_MARKS = 50_000
/** One line of the framing protocol: a number, and why a step waits. */
export const MAX_MARK_BYTES = 8 * KIB
/** Kept of what a command prints outside of frames (banners, sudo's refusal), and of errors that are shown. */
export const MAX_EXCERPT_CHARS = 8 * KIB
/** One object of the API: etcd stores up to 1.5 MiB, which is larger as JSON. */
export const MAX_OBJECT_BYTES = 8 * MIB
/** One list of the API: the largest CRDs together have about 20 MiB. */
export const MAX_LIST_BYTES = 64 * MIB
/** Answers of one API that are under way at the same time. */
export const MAX_PENDING_BYTES = 128 * MIB
/** Values in one JSON text, and how deep they are nested: the schemas of CRDs reach about 60 levels. */
export const MAX_JSON_VALUES = 4_000_000
export const MAX_JSON_DEPTH = 200

/** Each chunk costs at least this many bytes: tiny ones take memory and time, too. */
const CHUNK_BYTES = 128

/** A node sent more than it may, or what no script of ours prints. The message is a clause that says what. */
export class LimitError extends Error {
  override readonly name = 'LimitError'
}

/** Counts what arrives and throws LimitError when it is too much. */
export class Budget {
  readonly #what: string
  readonly #max: number
  #left: number

  constructor(what: string, max: number) {
    this.#what = what
    this.#max = max
    this.#left = max
  }

  spend(bytes: number): void {
    this.#left -= Math.max(bytes, CHUNK_BYTES)
    if (this.#left < 0) throw new LimitError(`${this.#what} is larger than ${sizeText(this.#max)}`)
  }
}

function sizeText(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`
}

/** The last lines of what a node printed, short enough for a problem. */
export function excerpt(text: string, lines = 10): string {
  return text.slice(-MAX_EXCERPT_CHARS).trim().split('\n').slice(-lines).join('\n')
}
