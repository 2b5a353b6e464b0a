// The forms in which a secret's value appears in texts: as it is, escaped as JSON, YAML, shells and URLs do it, in base64 and hex.

/** Encoded forms that are shorter than this are found by chance. */
const SHORTEST_ENCODED = 6
const SHORTEST_HEX = 8

/** Longest first would be up to the caller; forms may contain each other. */
export function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const url = encodeURIComponent(Buffer.from(secret).toString())
  const plain = [
    secret,
    json,
    ascii,
    JSON.stringify(json).slice(1, -1),
    secret.replaceAll("'", "'\\''"),
    secret.replaceAll("'", "''"),
    secret.replace(/[\\"`$]/g, '\\$&'),
    url,
    url.replaceAll('%20', '+'),
  ]
  const hex = Buffer.from(secret).toString('hex')
  return [...new Set([...plain, ...base64Of(secret), ...(hex.length < SHORTEST_HEX ? [] : [hex])])]
}

/** In base64 it depends on how many bytes stand before: all three, without the blurred ends; also in lines of 64 and 76. */
function base64Of(secret: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const text = bytes.toString('base64').replace(/=+$/, '')
    // At offset 0 the last digit stands for the secret alone, and is part of it.
    const end = before === 0 || bytes.length % 3 === 0 ? undefined : -1
    const clear = text.slice(before === 0 ? 0 : before + 1, end)
    const lines =
      clear.length > 64 ? [64, 76].flatMap((width) => clear.match(new RegExp(`.{${width}}`, 'g')) ?? []) : []
    const all = [clear, ...lines].filter((form) => form.length >= SHORTEST_ENCODED)
    return all.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
  })
}
