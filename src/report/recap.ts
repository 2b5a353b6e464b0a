// PLAY RECAP in Ansible's words, because people grep for them.

import { duration } from '../engine/duration.ts'
import type { HostResult } from '../engine/events.ts'
import type { Paint } from './style.ts'

const WORDS = ['ok', 'changed', 'unreachable', 'failed', 'skipped', 'rescued'] as const

/** One line a host below the title; columns are aligned. */
export function recapLines(results: readonly HostResult[], paint: Paint): string[] {
  const hosts = Math.max(0, ...results.map((r) => r.host.length))
  const widths = WORDS.map((word) => Math.max(...results.map((r) => `${word}=${r.recap[word]}`.length)))
  const times = results.map((r) => duration(r.seconds))
  const time = Math.max(0, ...times.map((t) => t.length))
  const rows = results.map((r, i) => {
    const cells = WORDS.map((word, k) => {
      const text = `${word}=${r.recap[word]}`.padEnd(widths[k] ?? 0)
      return r.recap[word] > 0 ? paint(colourOf(word), text) : text
    })
    return `${r.host.padEnd(hosts)}   ${cells.join('  ')}   ${(times[i] ?? '').padStart(time)}`
  })
  return ['PLAY RECAP', ...rows]
}

function colourOf(word: (typeof WORDS)[number]) {
  if (word === 'failed' || word === 'unreachable') return 'red'
  return word === 'ok' ? 'green' : word === 'skipped' ? 'cyan' : 'yellow'
}
