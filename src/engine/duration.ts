// Formats durations, for people and as Go writes them.

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** Seconds as `0.2 s`, `31.4 s`, `1 m 12 s`, `2 h 5 m`. */
export function duration(seconds: number): string {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds)
}

/** Whole seconds as `12 s`, `3 m`, `1 m 12 s`, `1 h`, `30 h 5 m`: for what still runs, and for bounds. */
export function clock(seconds: number): string {
  return largestUnits(Math.round(seconds), 1, true)
}

/** Seconds as `12 s`, `4 m 12 s`, `25 h`, `61 d`: two units up to two hours, then one. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  return largestUnits(s, s < 172_800 ? 1 : 0, s < 7_200)
}

/** `from`: the largest unit that may be used; `two`: whether the next smaller one is added. */
function largestUnits(s: number, from: number, two: boolean): string {
  const at = UNITS.findIndex(([size], i) => i >= from && s >= size)
  const [size, unit] = UNITS[at] ?? [1, 's']
  const [small, smaller] = UNITS[at + 1] ?? [1, '']
  const rest = two && at >= 0 ? Math.floor((s % size) / small) : 0
  return `${Math.floor(s / size)} ${unit}${rest > 0 && smaller ? ` ${rest} ${smaller}` : ''}`
}

/** `2160h0m0s`, as Go prints it: a controller that writes the object back does not change it then. */
export function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  const tail = `${minutes}m${seconds % 60}s`
  return hours > 0 ? `${hours}h${tail}` : minutes > 0 ? tail : `${seconds}s`
}

/** `5m`, as people write it for Go, rounded up. */
export function goMinutes(seconds: number): string {
  return `${Math.ceil(seconds / 60)}m`
}
