// completion: prints the script for a shell; the script asks `completion candidates` at each Tab.

import fishScript from '../../../templates/completion.fish.hbs'
import zshScript from '../../../templates/completion.zsh.hbs'
import type { Inventory } from '../../inventory/index.ts'
import { EXIT } from '../../report/outcome.ts'
import { type Candidate, candidates, type Sources, typedInventories } from '../candidates.ts'
import type { Command } from '../command.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { roles } from '../roles.ts'
import bashScript from '../shell/completion-bash.sh'

interface CompletionCall extends CliOptions {
  readonly shell: string
  /** The words before the cursor, the program's name excluded; the last one is being typed. */
  readonly words: readonly string[]
  readonly commands: readonly Command[]
}

export async function completion({ shell, words, commands }: CompletionCall, io: Io): Promise<number> {
  if (shell === 'candidates') {
    const found = await candidates(words, commands, sourcesOf(words, io))
    io.stdout.write(found === 'files' ? ':files\n' : io.shown(found).map(lineOf).join(''))
  } else io.stdout.write(scriptOf(shell))
  return EXIT.ok
}

const scriptOf = (shell: string) =>
  shell === 'zsh' ? zshScript({}) : shell === 'fish' ? fishScript({}) : `${bashScript}\n`

const lineOf = ({ word, about }: Candidate) => `${word}\t${about}\n`

/** Of the inventory that the words name. Nothing is decrypted, because that could ask a question. */
function sourcesOf(words: readonly string[], io: Io): Sources {
  const { env, cwd } = io
  let loaded: Promise<Inventory> | undefined
  const load = async () => {
    const typed = typedInventories(words.slice(0, -1))
    const sources =
      typed.length > 0 ? typed : (env.K3S_PLATFORM_INVENTORY ?? '').split('\n').filter((one) => one !== '')
    const { loadInventory } = await import('../../inventory/index.ts')
    return loadInventory({ sources, cwd, env, decrypt: async () => '' })
  }
  const inventory = () => {
    loaded ??= load()
    return loaded
  }
  return {
    roles,
    hosts: async () => (await inventory()).hosts.map(({ name }) => ({ word: name, about: 'host' })),
    groups: async () => [...(await inventory()).groups.keys()].map((word) => ({ word, about: 'group' })),
    tags: async () => {
      const { stageNamesOf } = await import('../stage-names.ts')
      return [...stageNamesOf((await inventory()).hosts)].map((word) => ({ word, about: '' }))
    },
    variables: async () => {
      const { allVariables } = await import('../variable-table.ts')
      return allVariables().map(({ name, about }) => ({ word: name, about: about.split(/(?<=[.;]) /)[0] ?? '' }))
    },
  }
}
