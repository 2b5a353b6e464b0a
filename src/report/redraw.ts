// Draws lines over those that were drawn before, wherever the terminal has wrapped them.

import type { Out } from './sink.ts'
import { ours, withoutOurs } from './style.ts'

const TO_END_OF_LINE = ours('\x1b[K')
const TO_END_OF_SCREEN = ours('\x1b[J')
const NARROWEST = 20

export interface Redrawer {
  /** `kept` stays above; `lines` are drawn over by the next call. */
  draw(lines: readonly string[], kept?: readonly string[]): void
  /** What was drawn stays. */
  forget(): void
}

export const columnsOf = (out: Out): number => Math.max(NARROWEST, out.columns ?? 80)

export function redrawer(out: Out): Redrawer {
  let drawn: readonly string[] = []
  /** Lines that were drawn may take more rows by now: the terminal became narrower. */
  const up = () => {
    const columns = columnsOf(out)
    const taken = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(withoutOurs(line).length / columns)), 0)
    return taken > 0 ? ours(`\x1b[${taken}A\r`) : ''
  }
  return {
    draw(lines, kept = []) {
      if (kept.length === 0 && lines.join('\n') === drawn.join('\n')) return
      const text = [...kept, ...lines].map((line) => `${line}${TO_END_OF_LINE}\n`).join('')
      out.write(`${up()}${text}${TO_END_OF_SCREEN}`)
      drawn = [...lines]
    },
    forget() {
      drawn = []
    },
  }
}
