// What a private key file tells without its passphrase: OpenSSH's own format holds the public part in the clear.

export interface KeyHeader {
  /** `ssh-ed25519`; empty: another format. */
  readonly type: string
  readonly publicKey: Buffer | undefined
  readonly encrypted: boolean
}

/** spec: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key */
export function keyHeader(text: string): KeyHeader {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1]
  if (!body) return { type: '', publicKey: undefined, encrypted: /ENCRYPTED/.test(text) }
  const data = Buffer.from(body, 'base64')
  let at = 'openssh-key-v1\0'.length
  const next = (): Buffer => {
    const start = at + 4
    at = start + (data.length >= start ? data.readUInt32BE(at) : 0)
    return data.subarray(start, at)
  }
  const cipher = next().toString('latin1')
  next()
  next()
  at += 4
  const publicKey = next()
  const length = publicKey.length > 4 ? publicKey.readUInt32BE(0) : 0
  return { type: publicKey.toString('latin1', 4, 4 + length), publicKey, encrypted: cipher !== 'none' }
}
