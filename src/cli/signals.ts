// Handles Ctrl-C: the first finishes the current step and reports, the second stops now, the third exits at once.

/** Where signals come from: the process. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

export interface Interrupts {
  /** First signal: start nothing new. */
  readonly stop: AbortSignal
  /** Second signal: end at once. */
  readonly signal: AbortSignal
  /** Signals mean again what they mean to any program. */
  dispose(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** `say` tells the user; `leave` is called for a third signal and does not return. */
export function listenForInterrupts(source: SignalSource, say: (text: string) => void, leave: () => void): Interrupts {
  const stop = new AbortController()
  const now = new AbortController()
  const listener = () => {
    if (now.signal.aborted) leave()
    else if (stop.signal.aborted) {
      now.abort()
      say('stopping now')
    } else {
      stop.abort()
      say('finishing the current step; Ctrl-C again stops now')
    }
  }
  for (const signal of SIGNALS) source.on(signal, listener)
  return {
    stop: stop.signal,
    signal: now.signal,
    dispose: () => {
      for (const signal of SIGNALS) source.off(signal, listener)
    },
  }
}
