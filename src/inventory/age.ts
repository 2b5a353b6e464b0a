// Opens what age encrypts for a key: binary and armored files.

import type { Decrypter } from 'age-encryption'
import { ProblemError } from '../engine/problem.ts'
import type { Secret } from '../engine/secret.ts'
import { type Decrypt, type Encrypted, noKey, textOf } from './decrypt.ts'
import { usage } from './value.ts'

export interface AgeKeys {
  /** Where they are from, for problems: `K3S_PLATFORM_AGE_KEY_FILE  key.txt`. */
  readonly from: string
  /** As age-keygen writes them: one a line, comments begin with #. */
  readonly text: Secret
}

/** `keys` is called once, and only when there is something to open; undefined: there are none. It may throw ProblemError. */
export function ageOpener(keys: () => Promise<AgeKeys | undefined>): Decrypt {
  let opened: Promise<{ readonly from: string; readonly decrypter: Decrypter } | undefined> | undefined
  return async (encrypted) => {
    const { armor } = await import('age-encryption')
    const data = dearmored(encrypted, armor.decode)
    if (/^age-encryption\.org\/v1\r?\n-> scrypt /.test(Buffer.from(data.subarray(0, 60)).toString('latin1'))) {
      const hint = 'encrypt it to a key: create one with age-keygen, and pass its public key to age -r'
      throw new ProblemError(
        usage(encrypted.place, 'is encrypted with an age passphrase, which is not supported', hint),
      )
    }
    opened ??= keys().then((found) => found && decrypterOf(found))
    const ready = await opened
    if (ready === undefined) throw new ProblemError(noKey(encrypted))
    return textOf(encrypted, await decrypted(encrypted, ready.decrypter, data, ready.from))
  }
}

async function decrypterOf({ from, text }: AgeKeys) {
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  let count = 0
  for (const [i, line] of text.reveal().split('\n').entries()) {
    const key = line.trim()
    if (key === '' || key.startsWith('#')) continue
    try {
      decrypter.addIdentity(key)
      count++
    } catch {
      const hint = 'use a key from age-keygen; plugins and SSH keys are not supported'
      throw new ProblemError(usage(from, `line ${i + 1} is not an age private key: AGE-SECRET-KEY-1...`, hint))
    }
  }
  if (count === 0) throw new ProblemError(usage(from, 'contains no key', 'create one: age-keygen -o FILE'))
  return { from, decrypter }
}

function dearmored(encrypted: Encrypted, decode: (text: string) => Uint8Array): Uint8Array {
  const text = Buffer.from(encrypted.data).toString('latin1')
  if (!text.startsWith('-----')) return encrypted.data
  try {
    return decode(text)
  } catch (error) {
    throw damaged(encrypted, error)
  }
}

async function decrypted(
  encrypted: Encrypted,
  decrypter: Decrypter,
  data: Uint8Array,
  from: string,
): Promise<Uint8Array> {
  try {
    return await decrypter.decrypt(data)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('no identity matched'))) throw damaged(encrypted, error)
    const hint = 'it is encrypted to other keys; to show the public key of a file: age-keygen -y FILE'
    throw new ProblemError(usage(encrypted.place, `no key decrypts it (${from})`, hint))
  }
}

/** What the library says is of the format and the cipher, never of what is in the file. */
function damaged({ place }: Encrypted, error: unknown): ProblemError {
  const why = error instanceof Error ? error.message : String(error)
  return new ProblemError({ ...usage(place, 'is corrupt, or was changed after it was encrypted'), why })
}
