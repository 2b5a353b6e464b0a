// Opens what ansible-vault encrypts: files and values in its formats 1.1 and 1.2.

import { createDecipheriv, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { ProblemError } from '../engine/problem.ts'
import type { Secret } from '../engine/secret.ts'
import { type Decrypt, type Encrypted, noKey, textOf } from './decrypt.ts'
import { usage } from './value.ts'

export interface VaultPassword {
  /** That of `--vault-id label@FILE`, else `default`. */
  readonly label: string
  /** What it came by, for problems: `--ask-vault-pass`. */
  readonly from: string
  /** Called once, and only when there is something to open. Throws ProblemError. */
  read(): Promise<Secret>
}

interface Envelope {
  readonly label: string
  readonly salt: Buffer
  readonly mac: Buffer
  readonly body: Buffer
}

const derive = promisify(pbkdf2)
const ROUNDS = 10_000
const BLOCK = 16

/**
 * Tries the passwords whose label is that of the file, then the others, as Ansible does: the label is only a name. Their order
 * among themselves stays. Each is read once, and each key derived once for a password and a salt.
 */
export function vaultOpener(passwords: readonly VaultPassword[]): Decrypt {
  const known = passwords.map((password) => ({
    ...password,
    secret: once(() => password.read()),
    keys: new Map<string, Promise<Buffer>>(),
  }))
  return async (encrypted) => {
    const { label, salt, mac, body } = envelopeOf(encrypted)
    if (known.length === 0) throw new ProblemError(noKey(encrypted))
    const matching = known.filter((one) => one.label === label)
    for (const one of [...matching, ...known.filter((other) => other.label !== label)]) {
      const id = salt.toString('hex')
      const made =
        one.keys.get(id) ?? one.secret().then((secret) => derive(secret.reveal(), salt, ROUNDS, 80, 'sha256'))
      one.keys.set(id, made)
      const key = await made
      const expected = createHmac('sha256', key.subarray(32, 64)).update(body).digest()
      if (!timingSafeEqual(expected, mac)) continue
      const cipher = createDecipheriv('aes-256-ctr', key.subarray(0, 32), key.subarray(64))
      return textOf(encrypted, unpadded(encrypted, Buffer.concat([cipher.update(body), cipher.final()])))
    }
    const tried = [...new Set(known.map(({ from }) => from))].join(', ')
    const unmet = matching.length === 0 && label !== 'default' && /^[\w.-]+$/.test(label)
    const hint = unmet ? `it requires the password with the vault ID ${label}: --vault-id ${label}@FILE` : undefined
    const what = `the password is wrong (${tried}), or it was changed after it was encrypted`
    throw new ProblemError(usage(encrypted.place, what, hint))
  }
}

/** A first line `$ANSIBLE_VAULT;1.2;AES256;label`, then hex of the three lines salt, HMAC and cipher text in hex. */
function envelopeOf(encrypted: Encrypted): Envelope {
  const [head = '', ...lines] = Buffer.from(encrypted.data)
    .toString('latin1')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const [mark, version = '', cipher = '', label = 'default'] = head.split(';').map((word) => word.trim())
  const refuse = (what: string, hint?: string) => new ProblemError(usage(encrypted.place, what, hint))
  if (mark !== '$ANSIBLE_VAULT')
    throw refuse('is not in ansible-vault format', 'its first line is $ANSIBLE_VAULT;1.1;AES256')
  if (!['1.1', '1.2'].includes(version) || cipher !== 'AES256') {
    const what = `the format ${JSON.stringify(`${version};${cipher}`)} of ansible-vault is not supported`
    throw refuse(what, 'encrypt it again: ansible-vault encrypt writes 1.1;AES256 or 1.2;AES256')
  }
  const parts = unhex(lines.join(''))?.toString('latin1').split('\n').map(unhex) ?? []
  const [salt, mac, body] = parts
  if (!salt || mac?.length !== 32 || !body || body.length % BLOCK !== 0 || parts.length !== 3) throw damaged(encrypted)
  return { label, salt, mac, body }
}

function unhex(text: string): Buffer | undefined {
  return text.length > 0 && text.length % 2 === 0 && !/[^0-9a-f]/i.test(text) ? Buffer.from(text, 'hex') : undefined
}

/** Without its PKCS7 padding. */
function unpadded(encrypted: Encrypted, clear: Buffer): Buffer {
  const count = clear.at(-1) ?? 0
  const padding = clear.subarray(-count)
  if (count === 0 || count > BLOCK || padding.some((byte) => byte !== count)) throw damaged(encrypted)
  return clear.subarray(0, -count)
}

function damaged({ place }: Encrypted): ProblemError {
  return new ProblemError(usage(place, 'is truncated or corrupt', 'restore it from a backup, or encrypt it again'))
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
