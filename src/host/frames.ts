// Frames: one script does many things, and what each of them printed comes back apart, whatever its bytes are.
// A marker is a line that starts with a random nonce, so that no output can forge one; both streams carry them.

import { lines, type Sh, sh } from './sh.ts'

/**
 * What a script defines to make frames: `k_begin I`, `k_end I CODE`, `k_wait BOUND WHY`, `k_finish`; and `k_told e I CODE`,
 * which ends a frame of `lanes`, in one write with the beginning of the next: `k_told e I CODE b J`.
 */
export function framing(nonce: string): Sh {
  return sh`K=${nonce}
k_mark() { printf '\n@%s %s\n' "$K" "$*"; }
k_begin() { k_mark b "$1"; k_mark b "$1" >&2; }
k_end() { k_mark e "$1" "$2"; k_mark e "$1" "$2" >&2; }
k_wait() { k_mark w "$@"; }
k_told() { [ -z "$k_e" ] || { k_mark x; printf %s "$k_e"; }; k_mark "$@"; }
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

/**
 * Frames that only look, numbered as they come, in two lanes: those that are `slow` (they wait for another process) run beside
 * the rest, and are told before it. What a frame prints on stderr comes behind its stdout, on the same stream: there the lanes
 * cannot mix. Between them is a pipe, so that nothing a probe prints is ever on a disk; what the many quick frames print
 * gathers there and travels as one packet. What is `shared` prints nothing and runs in the lane's own shell: the frames after
 * it have its variables.
 */
export function lanes(frames: readonly { readonly run: Sh; readonly slow?: boolean; readonly shared?: true }[]): Sh {
  const lane = (slow: boolean) => {
    const own = frames.flatMap(({ run, slow: is = false, shared }, i) => (is === slow ? [{ i, run, shared }] : []))
    const told = own.map(({ i, run, shared }, at) => {
      const next = own[at + 1]
      const ran = shared
        ? sh`k_e=''
{
${run}
} </dev/null`
        : sh`k_e=$(exec 2>&1 >&3 3>&- </dev/null
${run}
)`
      return sh`${ran}
k_told e ${i} $? ${next === undefined ? [] : ['b', next.i]}`
    })
    return lines([sh`exec 3>&1`, ...own.slice(0, 1).map(({ i }) => sh`k_mark b ${i}`), ...told])
  }
  return sh`{
${lane(false)}
} | {
${lane(true)}
cat; }`
}

export type Mark =
  | { readonly is: 'begin'; readonly frame: number }
  | { readonly is: 'data'; readonly frame: number; readonly bytes: Buffer }
  /** As `data`, of the stderr of a frame of `lanes`. */
  | { readonly is: 'error'; readonly frame: number; readonly bytes: Buffer }
  | { readonly is: 'wait'; readonly frame: number; readonly boundSeconds: number | null; readonly why: string }
  | { readonly is: 'end'; readonly frame: number; readonly code: number }
  | { readonly is: 'finish' }

/** Reads one stream as it comes. What precedes the first frame (a banner, a motd) is not reported. */
export class FrameReader {
  readonly #marker: Buffer
  readonly #on: (mark: Mark) => void
  #rest: Buffer = Buffer.alloc(0)
  #frame: number | null = null
  #stream: 'data' | 'error' = 'data'

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
    if (this.#frame !== null && bytes.length > 0) this.#on({ is: this.#stream, frame: this.#frame, bytes })
  }

  #mark(line: string): void {
    const [verb, first = '', ...words] = line.split(' ')
    if (verb === 'b') {
      this.#frame = Number(first)
      this.#stream = 'data'
      this.#on({ is: 'begin', frame: this.#frame })
    } else if (verb === 'x') {
      this.#stream = 'error'
    } else if (verb === 'e') {
      this.#frame = null
      const [code, ...next] = words
      this.#on({ is: 'end', frame: Number(first), code: Number(code) })
      if (next.length > 0) this.#mark(next.join(' '))
    } else if (verb === 'w' && this.#frame !== null) {
      this.#on({ is: 'wait', frame: this.#frame, boundSeconds: Number(first) || null, why: words.join(' ') })
    } else if (verb === 'z') {
      this.#on({ is: 'finish' })
    }
  }
}
