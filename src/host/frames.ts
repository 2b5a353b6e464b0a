// Frames: one script does many things, and what each of them printed comes back apart, whatever its bytes are.
// A marker is a line that starts with a random nonce, so that no output can forge one; both streams carry them.

import { type Sh, sh } from './sh.ts'

/** What a script defines to make frames: `k_begin I`, `k_end I CODE`, `k_wait BOUND WHY`, `k_finish`. */
export function framing(nonce: string): Sh {
  return sh`K=${nonce}
k_mark() { printf '\n@%s %s\n' "$K" "$*"; }
k_begin() { k_mark b "$1"; k_mark b "$1" >&2; }
k_end() { k_mark e "$1" "$2"; k_mark e "$1" "$2" >&2; }
k_wait() { k_mark w "$@"; }
k_finish() { k_mark z; }`
}

/** A frame around `run`, in a shell of its own that cannot touch the next one's options, directory or stdin. */
export function frame(index: number, run: Sh): Sh {
  return sh`k_begin ${index}
(
${run}
) </dev/null
k_end ${index} $?`
}

export type Mark =
  | { readonly is: 'begin'; readonly frame: number }
  | { readonly is: 'data'; readonly frame: number; readonly bytes: Buffer }
  | { readonly is: 'wait'; readonly frame: number; readonly boundSeconds: number | null; readonly why: string }
  | { readonly is: 'end'; readonly frame: number; readonly code: number }
  | { readonly is: 'finish' }

/** Reads one stream as it comes. What precedes the first frame (a banner, a motd) is not reported. */
export class FrameReader {
  readonly #marker: Buffer
  readonly #on: (mark: Mark) => void
  #rest: Buffer = Buffer.alloc(0)
  #frame: number | null = null

  constructor(nonce: string, on: (mark: Mark) => void) {
    this.#marker = Buffer.from(`\n@${nonce} `)
    this.#on = on
  }

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const at = this.#rest.indexOf(this.#marker)
      const end = at < 0 ? -1 : this.#rest.indexOf('\n', at + this.#marker.length)
      if (end < 0) break
      this.#data(this.#rest.subarray(0, at))
      this.#mark(this.#rest.toString('utf8', at + this.#marker.length, end))
      this.#rest = this.#rest.subarray(end + 1)
    }
    // All but what may be the start of a marker can be told now.
    const at = this.#rest.indexOf(this.#marker)
    const sure = at >= 0 ? at : Math.max(0, this.#rest.length - this.#marker.length)
    this.#data(this.#rest.subarray(0, sure))
    this.#rest = this.#rest.subarray(sure)
  }

  #data(bytes: Buffer): void {
    if (this.#frame !== null && bytes.length > 0) this.#on({ is: 'data', frame: this.#frame, bytes })
  }

  #mark(line: string): void {
    const [verb, first = '', ...words] = line.split(' ')
    if (verb === 'b') {
      this.#frame = Number(first)
      this.#on({ is: 'begin', frame: this.#frame })
    } else if (verb === 'e') {
      this.#frame = null
      this.#on({ is: 'end', frame: Number(first), code: Number(words[0]) })
    } else if (verb === 'w' && this.#frame !== null) {
      this.#on({ is: 'wait', frame: this.#frame, boundSeconds: Number(first) || null, why: words.join(' ') })
    } else if (verb === 'z') {
      this.#on({ is: 'finish' })
    }
  }
}
