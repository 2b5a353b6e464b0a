// Parses, validates and generates deploy keys.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import type { Secret } from '../engine/secret.ts'
import { keyHeader } from '../host/ssh/key-header.ts'

/** What is given is raw, in one line with `\n`, or in base64 of either; the text has one newline at its end. */
export function keyText(given: string): string {
  const escaped = given.replaceAll('\\r', '').replaceAll('\\n', '\n')
  const decoded = Buffer.from(escaped.replace(/\s+/g, ''), 'base64').toString('utf8')
  const text = !escaped.includes('-----BEGIN') && decoded.includes('-----BEGIN') ? decoded : escaped
  const lines = text.replaceAll('\\n', '\n').replaceAll('\r', '').split('\n')
  return `${lines
    .map((one) => one.trim())
    .join('\n')
    .trim()}\n`
}

export interface KeyFault {
  readonly about: 'key' | 'passphrase'
  readonly what: string
  readonly why?: string
  readonly hint: string
}

const ANEW = 'generate one: ssh-keygen -t ed25519 -N "" -f deploy-key'

/** What keeps the key from being used; says nothing of its content. */
export async function keyFault(text: string, passphrase: Secret | undefined): Promise<KeyFault | undefined> {
  const [, kind] = /^-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----$/m.exec(text) ?? []
  if (kind === undefined) {
    const isPublic = /^(ssh|ecdsa|sk)-\S+ AAAA|BEGIN (\w+ )*PUBLIC KEY/m.test(text)
    const what = isPublic ? 'it is a public key, but the private key is required' : 'it is not a private key'
    return { about: 'key', what, hint: isPublic ? 'use the file without .pub' : ANEW }
  }
  if (kind === 'ENCRYPTED ')
    return {
      about: 'key',
      what: 'it is an encrypted PKCS #8 key, which the controllers cannot decrypt',
      hint: 'convert it: ssh-keygen -p -f FILE',
    }
  if (kind === '') return privateKeyOf(text) ? undefined : broken('it cannot be parsed')
  // Loaded for who has a key: the program starts without it.
  const { default: ssh2 } = await import('ssh2')
  const parsed = ssh2.utils.parseKey(text, passphrase?.reveal())
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key && !(key instanceof Error) && key.isPrivateKey()) return undefined
  const why = key instanceof Error ? key.message : 'it has no private key'
  if (!/passphrase/i.test(why)) return broken(why)
  return passphrase === undefined
    ? {
        about: 'passphrase',
        what: 'the deploy key is encrypted, but no passphrase is set',
        hint: 'set k3s_platform_git_private_key_passphrase, or use a key without a passphrase',
      }
    : {
        about: 'passphrase',
        what: 'the passphrase does not decrypt the deploy key',
        hint: 'check it with: ssh-keygen -yf FILE',
      }
}

const broken = (why: string): KeyFault => ({ about: 'key', what: 'it is a corrupt private key', why, hint: ANEW })

export const isEncrypted = (text: string): boolean => keyHeader(text).encrypted

/** `ssh-ed25519 AAAA...`; undefined where the key cannot be read, or not without more than its passphrase. */
export function publicKeyOf(text: string, passphrase: Secret | undefined): string | undefined {
  const blob = keyHeader(text).publicKey ?? blobOf(privateKeyOf(text, passphrase))
  if (blob === undefined || blob.length < 4) return undefined
  const type = blob.toString('latin1', 4, 4 + blob.readUInt32BE(0))
  return `${type} ${blob.toString('base64')}`
}

function privateKeyOf(text: string, passphrase?: Secret): KeyObject | undefined {
  try {
    return createPrivateKey({ key: text, ...(passphrase && { passphrase: passphrase.reveal() }) })
  } catch {
    return undefined
  }
}

const CURVES: Readonly<Record<string, string>> = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' }

/** spec: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4 */
function blobOf(key: KeyObject | undefined): Buffer | undefined {
  if (key === undefined) return undefined
  const { kty, crv = '', n = '', e = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' })
  const bytes = (part: string) => Buffer.from(part, 'base64url')
  const curve = CURVES[crv]
  if (kty === 'RSA') return packed('ssh-rsa', positive(bytes(e)), positive(bytes(n)))
  if (crv === 'Ed25519') return packed('ssh-ed25519', bytes(x))
  if (curve === undefined) return undefined
  return packed(`ecdsa-sha2-${curve}`, curve, Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]))
}

/** As multi-precision integers are written: the first bit is the sign. */
const positive = (bytes: Buffer) => ((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)

function packed(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part)
      return [number(bytes.length), bytes]
    }),
  )
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Ed25519, in OpenSSH's format. spec: PROTOCOL.key of OpenSSH */
export function newKey(comment: string): { readonly identity: string; readonly publicKey: string } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const [seed, point] = [Buffer.from(jwk.d ?? '', 'base64url'), Buffer.from(jwk.x ?? '', 'base64url')]
  const blob = packed('ssh-ed25519', point)
  const check = randomBytes(4)
  const secret = Buffer.concat([check, check, packed('ssh-ed25519', point, Buffer.concat([seed, point]), comment)])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1))
  const data = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    packed('none', 'none', ''),
    number(1),
    packed(blob, Buffer.concat([secret, padding])),
  ])
  const body = data.toString('base64').replace(/.{1,70}/g, '$&\n')
  return {
    identity: `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `ssh-ed25519 ${blob.toString('base64')} ${comment}`,
  }
}
