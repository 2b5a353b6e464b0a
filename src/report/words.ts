// Words for people: durations, plurals, lists.

/** Seconds as `0.2 s`, `31.4 s`, `1 m 12 s`, `2 h 5 m`. */
export function duration(seconds: number): string {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds)
}

/** Whole seconds as `12 s`, `3 m`, `1 m 12 s`, `1 h`: for what still runs, and for bounds. */
export function clock(seconds: number): string {
  const s = Math.round(seconds)
  const parts =
    s < 3600
      ? [
          [Math.floor(s / 60), 'm'],
          [s % 60, 's'],
        ]
      : [
          [Math.floor(s / 3600), 'h'],
          [Math.floor((s % 3600) / 60), 'm'],
        ]
  const told = parts.filter(([n]) => n !== 0).map(([n, unit]) => `${n} ${unit}`)
  return told.join(' ') || '0 s'
}

/** `1 host`, `3 hosts`. */
export function plural(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? '' : 's'}`
}

/** How often each name comes, in the order of first coming. */
export function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
