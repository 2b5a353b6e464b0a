// Validates a configuration before k3s is restarted with it.

import { type Sh, script } from '../../src/host/sh.ts'
import { hidden } from '../k3s/flags.ts'
import knownFlagsText from './shell/known-flags.sh'

/** What this release says of itself: a key that is no flag of it would only be warned of, and have no effect. */
export function knownFlags(binary: string, config: Readonly<Record<string, unknown>>): Sh {
  const keys = Object.keys(config).filter((key) => !hidden.includes(key))
  return script(knownFlagsText, { binary, keys })
}
