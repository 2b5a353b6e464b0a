// What is wrong with a file that is to be a private key, found before anything is connected to.

import type { Problem } from '../../engine/problem.ts'
import { readRegularFile, TEXT_BYTES } from '../../files/read-file.ts'

/** Undefined where the file holds a private key, whether it can be used or not. */
export function keyFileFault(path: string): Pick<Problem, 'what' | 'hint'> | undefined {
  let text: string
  try {
    text = readRegularFile(path, TEXT_BYTES).toString('latin1')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { what: `the private key ${path} cannot be read: ${why}`, hint: 'use a file with a private key' }
  }
  if (/^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/m.test(text)) return undefined
  if (
    /^(?:(?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+|-----BEGIN (?:[A-Z0-9]+ )*PUBLIC KEY-----|---- BEGIN SSH2 PUBLIC)/m.test(
      text,
    )
  ) {
    const hint = path.endsWith('.pub') ? `use the private key: ${path.slice(0, -4)}` : 'use the private key'
    return { what: `${path} is a public key`, hint }
  }
  if (text.startsWith('PuTTY-User-Key-File-'))
    return { what: `${path} is a PuTTY key`, hint: `convert it: puttygen ${path} -O private-openssh -o KEY` }
  return { what: `${path} is not a private key`, hint: 'use a key file written by ssh-keygen' }
}
