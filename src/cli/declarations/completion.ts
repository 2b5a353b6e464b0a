// Declares completion: scripts for bash, zsh and fish.

import { type Arguments, command } from '../command.ts'
import { usage } from '../flag-values.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
/** What the scripts call at each Tab. */
const CANDIDATES = 'candidates'

const ONE_SHELL: Arguments = {
  usage: '<bash|zsh|fish>',
  are: SHELLS,
  problems: (operands, where) => {
    const [shell, ...more] = operands
    const isKnown = shell === CANDIDATES || SHELLS.some((one) => one === shell)
    if (isKnown && more.length === 0) return []
    return [usage(where, 'requires the name of one shell', `supported: ${SHELLS.join(', ')}`)]
  },
}

export const completion = command({
  name: 'completion',
  group: 'Other',
  about: 'print the completion script for bash, zsh or fish',
  mode: 'check',
  arguments: ONE_SHELL,
  passesThrough: true,
  flags: {},
  takes: ['no-color', 'debug'],
  outputs: ['text'],
  examples: [
    ['k3s-platform completion bash', 'add > ~/.local/share/bash-completion/completions/k3s-platform'],
    ['k3s-platform completion zsh', 'add > ~/.zfunc/_k3s-platform, a directory of fpath'],
    ['k3s-platform completion fish', 'add > ~/.config/fish/completions/k3s-platform.fish'],
  ],
  exits: { 0: 'printed' },
  options: (_read, { operands, behind, commands }) => ({ shell: operands[0] ?? '', words: behind, commands }),
  load: async () => (await import('../commands/completion.ts')).completion,
})
