// Chooses the algorithms that node-ssh offers, with those left out that OpenSSL refuses in FIPS mode.

import { generateKeyPairSync, getFips } from 'node:crypto'
import type { Algorithms, KexAlgorithm, ServerHostKeyAlgorithm } from 'ssh2'

/** `hostKeyTypes` in the order of preference. */
export function offeredAlgorithms(hostKeyTypes: readonly string[]): Algorithms {
  const serverHostKey = hostKeyTypes.flatMap(signaturesOf)
  if (getFips() === 0) return { serverHostKey }
  const withoutEd25519 = fails(() => generateKeyPairSync('ed25519'))
  return {
    serverHostKey: serverHostKey.filter((type) => type !== 'ssh-ed25519' || !withoutEd25519),
    ...(fails(() => generateKeyPairSync('x25519')) ? { kex: [...nistExchanges] } : {}),
  }
}

const nistExchanges: readonly KexAlgorithm[] = [
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group-exchange-sha256',
  'diffie-hellman-group14-sha256',
  'diffie-hellman-group16-sha512',
]

function fails(attempt: () => unknown): boolean {
  try {
    attempt()
    return false
  } catch {
    return true
  }
}

/** RSA host keys sign with SHA-2 only: SHA-1 is refused, as OpenSSH does. */
function signaturesOf(type: string): ServerHostKeyAlgorithm[] {
  switch (type) {
    case 'ssh-rsa':
      return ['rsa-sha2-512', 'rsa-sha2-256']
    case 'ssh-ed25519':
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return [type]
    default:
      return []
  }
}
