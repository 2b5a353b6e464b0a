// Frames: one script does many things, and what each of them printed comes back apart, whatever its bytes are.
// A marker is a line that starts with a random nonce, so that no output can forge one; both streams carry them.

import { LimitError, MAX_MARK_BYTES, MAX_MARKS } from './limits.ts'
import { lines, type Sh, script, sh } from './sh.ts'
import framesText from './shell/frames.sh'

/**
 * What a script defines to make frames: `k_begin I`, `k_end I CODE`, `k_wait BOUND WHY`, `k_finish`; and `k_told e I CODE`,
 * which ends a frame of `lanes`, in one write with the beginning of the next: `k_told e I CODE b J`.
 */
export function framing(nonce: string): Sh {
  return script(framesText, { nonce })
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

/**
 * Reads one stream as it comes. What precedes the first frame (a banner, a motd) is not reported. `frames`: how many there
 * are. Throws LimitError for what the script cannot have printed: then it was not the script, for a node knows the nonce.
 */
export class FrameReader {
  readonly #marker: Buffer
  readonly #on: (mark: Mark) => void
  readonly #frames: number
  readonly #begun = new Set<number>()
  #marks = 0
  #rest: Buffer = Buffer.alloc(0)
  #frame: number | null = null
  #stream: 'data' | 'error' = 'data'

  constructor(nonce: string, frames: number, on: (mark: Mark) => void) {
    this.#marker = Buffer.from(`\n@${nonce} `)
    this.#frames = frames
    this.#on = on
  }

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const at = this.#rest.indexOf(this.#marker)
      if (at < 0) {
        // All but what may be the start of a marker can be told now.
        this.#data(Math.max(0, this.#rest.length - this.#marker.length))
        return
      }
      this.#data(at)
      const end = this.#rest.indexOf('\n', this.#marker.length)
      const length = end < 0 ? this.#rest.length : end
      if (length > MAX_MARK_BYTES) throw new LimitError('a framing line is too long')
      if (end < 0) return
      if (++this.#marks > MAX_MARKS) throw new LimitError(`there are more than ${MAX_MARKS} progress reports`)
      const line = this.#rest.toString('utf8', this.#marker.length, end)
      this.#rest = this.#rest.subarray(end + 1)
      this.#mark(line)
    }
  }

  /** Reports the first bytes of the rest and leaves what is behind them. */
  #data(length: number): void {
    const bytes = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    if (this.#frame !== null && length > 0) this.#on({ is: this.#stream, frame: this.#frame, bytes })
  }

  #mark(line: string): void {
    const [verb, first = '', ...words] = line.split(' ')
    if (verb === 'b') {
      const frame = numberIn(first, this.#frames - 1)
      if (frame === null || this.#begun.has(frame)) throw new LimitError('an unknown frame begins')
      this.#begun.add(frame)
      this.#frame = frame
      this.#stream = 'data'
      this.#on({ is: 'begin', frame })
    } else if (verb === 'x') {
      this.#stream = 'error'
    } else if (verb === 'e') {
      const [code = '', ...next] = words
      const [frame, exit] = [numberIn(first, this.#frames - 1), numberIn(code, 255)]
      if (frame === null || frame !== this.#frame || exit === null)
        throw new LimitError('a frame ends that did not begin')
      this.#frame = null
      this.#on({ is: 'end', frame, code: exit })
      if (next.length > 0) this.#mark(next.join(' '))
    } else if (verb === 'w' && this.#frame !== null) {
      const boundSeconds = numberIn(first, MAX_WAIT_SECONDS) || null
      this.#on({ is: 'wait', frame: this.#frame, boundSeconds, why: words.join(' ').slice(0, MAX_WAIT_CHARS) })
    } else if (verb === 'z') {
      this.#on({ is: 'finish' })
    }
  }
}

const MAX_WAIT_SECONDS = 7 * 86_400
const MAX_WAIT_CHARS = 1000

/** A whole number of at most `max`; null: it is something else. */
function numberIn(text: string, max: number): number | null {
  return /^\d{1,9}$/.test(text) && Number(text) <= max ? Number(text) : null
}
