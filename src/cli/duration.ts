// Durations as they are typed: `90s`, `10m`, `1h30m`.

/** Milliseconds, or undefined for anything else, zero included. */
export function parseDuration(text: string): number | undefined {
  const [all, hours = '0', minutes = '0', seconds = '0'] =
    /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text) ?? []
  if (!all) return undefined
  const ms = Math.round((Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000)
  return ms > 0 && Number.isSafeInteger(ms) ? ms : undefined
}
