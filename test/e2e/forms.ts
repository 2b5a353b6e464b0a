// The forms that a secret slips out in.

/** What people see of it when it slips: as it is, in JSON, as in a unit's environment, base64 at each of the three offsets, in a URL. */
export function forms(secret: string): string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)])
    const whole = Math.floor(bytes.length / 3) * 3
    return bytes
      .subarray(0, whole)
      .toString('base64')
      .slice(offset === 0 ? 0 : 4)
  })
  const environment = secret.replace(/[\\"`$]/g, '\\$&')
  return [secret, JSON.stringify(secret).slice(1, -1), environment, encodeURIComponent(secret), ...base64]
}
