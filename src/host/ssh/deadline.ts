// Bounds a whole login in time; the clock stands still while a person types a passphrase.

export class Deadline {
  /** What ended the login: its time, or the caller. */
  over: 'expired' | 'aborted' | undefined
  #left: number
  #since = 0
  #timer: NodeJS.Timeout | undefined
  #stop: () => void = () => {}
  readonly #signal: AbortSignal | undefined
  readonly #abort = () => this.#end('aborted')

  /** Throws the signal's reason when it is aborted already. */
  constructor(ms: number, signal: AbortSignal | undefined) {
    signal?.throwIfAborted()
    this.#left = ms
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort, { once: true })
    this.go()
  }

  /** `stop` replaces the one before; it runs at once when the time is over already. */
  onOver(stop: () => void): void {
    this.#stop = stop
    if (this.over) stop()
  }

  get leftMs(): number {
    return this.over ? 0 : this.#left - (performance.now() - this.#since)
  }

  pause(): void {
    clearTimeout(this.#timer)
    this.#left -= performance.now() - this.#since
  }

  go(): void {
    this.#since = performance.now()
    this.#timer = setTimeout(() => this.#end('expired'), this.#left)
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#abort)
  }

  #end(by: 'expired' | 'aborted'): void {
    this.over ??= by
    this.#stop()
  }
}
