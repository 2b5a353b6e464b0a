// Kernel modules and sysctls as they are now; that they come back after a boot is a file's matter.

import type { HostResource } from '../resource.ts'
import { lines, script, sh } from '../sh.ts'
import kernelModulesText from '../shell/kernel-modules.sh'

/** Loaded, or built into the kernel. */
export function kernelModules(names: readonly string[]): HostResource {
  return {
    id: 'kernel-modules',
    title: `kernel modules ${names.join(', ')}`,
    probe: script(kernelModulesText, { names }),
    read: ({ text }) => {
      const loaded = new Set(text.split('\n'))
      return { actual: Object.fromEntries(names.map((name) => [name, loaded.has(name) ? 'loaded' : null])) }
    },
    desired: () => Object.fromEntries(names.map((name) => [name, 'loaded'])),
    steps: ({ actual }) =>
      names
        .filter((name) => actual?.[name] !== 'loaded')
        .map((name) => ({ title: `load ${name}`, run: sh`modprobe -- ${name}` })),
    explain: ({ err }) => ({
      what: 'a kernel module could not be loaded',
      why: err.trim(),
      hint: 'install the modules of the running kernel (linux-modules-extra on Ubuntu), or boot the newest installed kernel',
    }),
  }
}

/** Live values by sysctl name; a name's dots are its path below /proc/sys. */
export function sysctls(values: Readonly<Record<string, string>>): HostResource {
  const names = Object.keys(values)
  const path = (name: string) => `/proc/sys/${name.replaceAll('.', '/')}`
  return {
    id: 'sysctls',
    title: 'sysctls',
    probe: lines(
      names.map(
        (name) => sh`k_l=''; { IFS= read -r k_l <${path(name)}; } 2>/dev/null; printf '%s=%s\n' ${name} "$k_l"`,
      ),
    ),
    read: ({ text }) => {
      const found = new Map(
        text
          .replaceAll('\t', ' ')
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      )
      return { actual: Object.fromEntries(names.map((name) => [name, found.get(name) || null])) }
    },
    desired: () => values,
    steps: ({ actual }) =>
      names
        .filter((name) => actual?.[name] !== values[name])
        .map((name) => ({
          title: `set ${name}`,
          run: sh`printf '%s\n' ${values[name] ?? ''} >${path(name)}`,
        })),
    explain: ({ step, err }) => ({
      what: `could not ${step}`,
      why: err.trim(),
      hint: 'a container shares its kernel with its host: set it on the host, or remove it from k3s_platform_sysctls',
    }),
  }
}
