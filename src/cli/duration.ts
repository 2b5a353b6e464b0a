// Parses durations such as `90s`, `10m`, `1h30m`, `30d`.

/** A week: timers take no more than 24 days. */
const MOST_MS = 168 * 3_600_000

/** Milliseconds, or undefined for anything else, zero and more than `mostMs` (default: a week) included. */
export function parseDuration(text: string, mostMs = MOST_MS): number | undefined {
  const [all, days = '0', hours = '0', minutes = '0', seconds = '0'] =
    /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text) ?? []
  if (!all) return undefined
  const ms = Math.round((Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000)
  return ms > 0 && ms <= mostMs ? ms : undefined
}
