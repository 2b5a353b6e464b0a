// Defines a check, and the commands that fix findings on each distribution.

import type { Problem } from '../../../src/engine/problem.ts'
import { shellWords } from '../../../src/engine/shell-words.ts'
import type { Facts, PackageManager } from '../../../src/host/facts.ts'
import type { BootstrapVars } from '../vars.ts'

export type Finding = Omit<Problem, 'where'>

/** Pure: from the facts of a host and its variables to what is wrong with it. */
export type Check = (facts: Facts, vars: BootstrapVars) => readonly Finding[] | Finding | false | undefined

/** Whether its own k3s is there: then what a first install needs is no question any more. */
export function installed({ k3s }: Facts): boolean {
  return k3s.binary && k3s.service
}

const INSTALL: Readonly<Record<PackageManager, string>> = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  zypper: 'zypper install -y',
  apk: 'apk add',
}

/** `apt-get install -y chrony` */
export function installing({ packageManager }: Facts, name: string): string {
  return packageManager === null ? `install ${name}` : `${INSTALL[packageManager]} ${shellWords([name])}`
}

/** Starts a service now and at every boot. */
export function enabling({ init }: Facts, name: string): string {
  return init === 'openrc'
    ? `rc-update add ${name} default && rc-service ${name} start`
    : `systemctl enable --now ${name}`
}

export function disabling({ init }: Facts, service: string): string {
  const name = shellWords([service])
  return init === 'openrc' ? `rc-service ${name} stop; rc-update del ${name}` : `systemctl disable --now ${name}`
}

/** Boot loaders by what tells them, in order, with the file and the command that put a word on the kernel's command line. */
const BOOT: readonly (readonly [tell: string, command: (words: string) => string])[] = [
  ['/boot/firmware/cmdline.txt', (words) => appending('/boot/firmware/cmdline.txt', words)],
  ['/boot/cmdline.txt', (words) => appending('/boot/cmdline.txt', words)],
  ['grubby', (words) => `grubby --update-kernel=ALL --args='${words}'`],
  ['update-grub', (words) => `${inGrub(words)} && update-grub`],
  [
    '/etc/update-extlinux.conf',
    (words) => `sed -i 's/^default_kernel_opts="/&${words} /' /etc/update-extlinux.conf && update-extlinux`,
  ],
  ['grub2-mkconfig', (words) => `${inGrub(words)} && grub2-mkconfig -o /boot/grub2/grub.cfg`],
  ['grub-mkconfig', (words) => `${inGrub(words)} && grub-mkconfig -o /boot/grub/grub.cfg`],
]

/** The command that adds words to the kernel's command line on this host, and boots. */
export function bootingWith({ has, there, container }: Facts, words: string): string {
  if (container) return `on the machine that runs this container: add ${words} to the kernel's command line, reboot it`
  const [, command] = BOOT.find(([tell]) => has.has(tell) || there.has(tell)) ?? []
  return command === undefined
    ? `add ${words} to the kernel's command line in the boot loader's settings, then: reboot`
    : `${command(words)} && reboot`
}

function appending(file: string, words: string): string {
  return `sed -i '1s/$/ ${words}/' ${file}`
}

function inGrub(words: string): string {
  return `sed -i 's/^GRUB_CMDLINE_LINUX="/&${words} /' /etc/default/grub`
}
