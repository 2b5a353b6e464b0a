// Packages of the distribution, by whichever package manager the host has.

import type { HostResource } from '../resource.ts'
import { sh } from '../sh.ts'

/** Installs what is missing; never upgrades and never removes. Names are the same on all four managers, or given by `as`. */
export function packages(names: readonly string[]): HostResource {
  return {
    id: 'packages',
    title: `packages ${names.join(', ')}`,
    slow: true,
    probe: sh`if k_has dpkg-query; then dpkg-query -W -f '\${db:Status-Status} \${Package}\n' ${names} 2>/dev/null
elif k_has rpm; then for p in ${names}; do rpm -q --quiet --whatprovides "$p" && printf 'installed %s\n' "$p"; done
elif k_has apk; then for p in ${names}; do ! apk info -e "$p" >/dev/null || printf 'installed %s\n' "$p"; done
else k_fail 'no package manager that is known here: dpkg, rpm or apk'; fi
:`,
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
const install = (missing: readonly string[]) => sh`if k_has apt-get; then
  export DEBIAN_FRONTEND=noninteractive
  k_apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --no-install-recommends install ${missing}; }
  dpkg --configure -a && { k_apt || { apt-get -q -o DPkg::Lock::Timeout=300 update && k_apt; }; }
elif k_has dnf; then dnf -q -y install ${missing}
elif k_has zypper; then zypper -q --non-interactive install --no-recommends ${missing}
elif k_has apk; then apk add -q ${missing}
else k_fail 'no package manager that is known here: apt-get, dnf, zypper or apk'; fi`
