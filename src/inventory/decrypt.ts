// The seam for encrypted files and values: who decrypts is passed in, without one there is a clear problem.

import { type Problem, ProblemError } from '../engine/problem.ts'
import { usage, type Value } from './value.ts'

export interface Encrypted {
  /** Where the file or the value is, for prompts and problems. */
  readonly place: Pick<Value, 'at' | 'path'>
  readonly format: 'ansible-vault' | 'age'
  /** The bytes as they are on disk, armor or header included. */
  readonly data: Uint8Array
}

/** Gives the clear text. Throws ProblemError (or any error) when it cannot; its message must not hold clear text. */
export type Decrypt = (encrypted: Encrypted) => Promise<string>

/** The format of an encrypted file by its first bytes, undefined for clear text. */
export function encryption(data: Buffer): Encrypted['format'] | undefined {
  const head = data.subarray(0, 40).toString('latin1')
  if (head.startsWith('$ANSIBLE_VAULT;')) return 'ansible-vault'
  return head.startsWith('age-encryption.org/') || head.startsWith('-----BEGIN AGE ENCRYPTED FILE') ? 'age' : undefined
}

export async function decryptOrProblem(
  decrypt: Decrypt | undefined,
  encrypted: Encrypted,
): Promise<{ readonly text: string; readonly problem?: undefined } | { readonly problem: Problem }> {
  const { place } = encrypted
  if (decrypt === undefined) return { problem: noKey(encrypted) }
  try {
    return { text: await decrypt(encrypted) }
  } catch (error) {
    const [problem] = error instanceof ProblemError ? error.problems : []
    if (problem !== undefined) return { problem }
    return {
      problem: usage(place, `could not be decrypted: ${error instanceof Error ? error.message : String(error)}`),
    }
  }
}

/** That there is nothing to open it with. */
export function noKey({ place, format }: Encrypted): Problem {
  const hint =
    format === 'age'
      ? 'set the key file: K3S_PLATFORM_AGE_KEY_FILE'
      : 'set the password: --vault-password-file FILE or --ask-vault-pass'
  return usage(place, `it is encrypted with ${format}, but no key or password is set`, hint)
}

/** The clear text. Throws ProblemError when it is not UTF-8. */
export function textOf({ place }: Encrypted, clear: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(clear)
  } catch {
    throw new ProblemError(usage(place, 'the decrypted content is not UTF-8 text'))
  }
}
