// Packages of the distribution, by whichever package manager the host has.

import type { HostResource } from '../resource.ts'
import { script } from '../sh.ts'
import installText from '../shell/packages-install.sh'
import installedText from '../shell/packages-installed.sh'

/** Installs what is missing; never upgrades and never removes. Names are the same on all four managers, or given by `as`. */
export function packages(names: readonly string[]): HostResource {
  return {
    id: 'packages',
    title: `packages ${names.join(', ')}`,
    slow: true,
    probe: script(installedText, { names }),
    read: ({ text }) => {
      const installed = new Set(text.split('\n'))
      return {
        actual: Object.fromEntries(
          names.map((name) => [name, installed.has(`installed ${name}`) ? 'installed' : null]),
        ),
      }
    },
    desired: () => Object.fromEntries(names.map((name) => [name, 'installed'])),
    steps: ({ actual }) => {
      const missing = names.filter((name) => actual?.[name] !== 'installed')
      return [{ title: `install ${missing.join(', ')}`, run: install(missing) }]
    },
    explain: ({ out, err }) => ({
      what: `the package manager could not install ${names.join(', ')}`,
      why: `${out}\n${err}`.trim().split('\n').slice(-8).join('\n'),
      hint: 'check the package sources and the network of the host, then run apply again',
    }),
  }
}

// Another package manager at work (unattended upgrades on a fresh cloud machine) is waited for, not fought.
const install = (missing: readonly string[]) => script(installText, { names: missing })
