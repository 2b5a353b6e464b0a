// What can be known to be wrong with a configuration before k3s is restarted with it.

import { type Sh, sh } from '../../src/host/sh.ts'
import { hidden } from './k3s-flags.ts'

/** What this release says of itself: a key that is no flag of it would only be warned of, and have no effect. */
export function knownFlags(binary: string, config: Readonly<Record<string, unknown>>): Sh {
  const keys = Object.keys(config).filter((key) => !hidden.includes(key))
  return sh`k_help=$(timeout 20 ${binary} server --help 2>/dev/null)
case $k_help in *'--data-dir '*) ;; *) exit 0 ;; esac
k_bad=''
for k_key in ${keys}; do
  case $k_help in *"--$k_key "*|*"--$k_key,"*) ;; *) k_bad="$k_bad $k_key" ;; esac
done
[ -z "$k_bad" ] || k_fail "$(${binary} --version | head -n 1) has no flag for these keys of config.yaml:$k_bad"`
}
