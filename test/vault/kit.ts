// What the kinds of Vault are tested with: age keys, files in memory, a terminal that remembers, and the opened file.

import { armor, Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import type { KeepSpec, PrivateFiles, Terminal } from '../../src/vault/key-storage.ts'

export const SERVER = 'https://vault.svc.plus:8200'
export const PATH = '~/.kube/k3s-platform/edge-1-vault-init.age'

class Files implements PrivateFiles {
  readonly at = new Map<string, string>()
  /** Every path that was ever written. */
  readonly written: string[] = []
  fault: (path: string) => void = () => undefined

  read(path: string): object | null {
    const content = this.at.get(path)
    return content === undefined ? null : { content }
  }

  async create(path: string, content: string): Promise<boolean> {
    this.fault(path)
    if (this.at.has(path)) return false
    this.at.set(path, content)
    this.written.push(path)
    return true
  }

  async remove(path: string): Promise<void> {
    this.at.delete(path)
  }
}

export interface Keeper extends KeepSpec {
  readonly files: Files
  readonly terminal: Terminal | undefined
  readonly shown: string[]
  /** What is in a file, by the key that opens it. */
  opened(path: string): Promise<string>
}

/** `age` and `show`: which of the two ways; `refused`: why nobody can be shown anything. */
export async function keeper(how: { age?: boolean; show?: boolean; refused?: string }): Promise<Keeper> {
  const identity = await generateX25519Identity()
  const files = new Files()
  const shown: string[] = []
  const terminal =
    how.refused === undefined ? { show: (lines: readonly string[]) => shown.push(...lines) } : { refused: how.refused }
  return {
    files,
    shown,
    terminal: how.show ? terminal : undefined,
    age: how.age ? { path: PATH, recipients: [await identityToRecipient(identity)] } : undefined,
    opened: async (path) => {
      const decrypter = new Decrypter()
      decrypter.addIdentity(identity)
      return decrypter.decrypt(armor.decode(files.at.get(path) ?? ''), 'text')
    },
  }
}
