// The manual page: made from the declarations of the commands, valid roff, and complete.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { allCommands, COMMANDS } from '../../src/cli/commands.ts'
import { type Flag, type Flags, spellings } from '../../src/cli/flag.ts'
import { SHARED, SHARED_GROUPS } from '../../src/cli/flags.ts'
import { choice, sharedFlagsOf } from '../../src/cli/help.ts'
import page from '../../templates/k3s-platform.1.hbs'

const path = fileURLToPath(new URL('../../man/k3s-platform.1', import.meta.url))

/** Text that roff takes as it is. */
const roff = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')

const flagData = ({ flags, about }: Flag) => ({ term: roff(flags), about: roff(about) })

const text = page({
  description: roff('Provisions k3s platform nodes over SSH: a truthful plan, no agent.'),
  commands: allCommands().map(([where, command]) => {
    const { about, examples, exits, verbs, outputs } = command
    const own = verbs.length > 0 ? {} : command.flags
    const usage = [where, command.arguments.usage, '[flags]'].filter((part) => part !== '').join(' ')
    const codes =
      exits && [`Exit codes: 0 ${exits[0]}`, ...(exits[2] === undefined ? [] : [`2 ${exits[2]}`])].join(', ')
    return {
      synopsis: roff(usage),
      about: roff(about),
      needsVerb: command.read === undefined,
      flags: Object.values<Flag>(own).map(flagData),
      outputs: 'output' in sharedFlagsOf(command) && verbs.length === 0 ? roff(choice(outputs)) : '',
      examples: examples.map(([line, what]) => ({ line: roff(line), about: roff(what) })),
      exits: codes === undefined ? '' : roff(`${codes}.`),
    }
  }),
  groups: Object.entries<Flags>(SHARED_GROUPS).map(([heading, flags]) => ({
    heading,
    flags: Object.values(flags).map(flagData),
  })),
})

test('the manual page is the one of the commands (vitest -u writes it)', async () => {
  await expect(text).toMatchFileSnapshot(path)
})

test('groff has no warning about it, and shows every command and flag', () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tascii', '-ww', '-P-cbou', '-rLL=1000n', path], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const shown = stdout.replace(/\s+/g, ' ')
  for (const [where] of allCommands()) expect(shown).toContain(where)
  for (const flags of [
    SHARED,
    ...COMMANDS.flatMap(({ flags, verbs }) => [flags, ...verbs.map((verb) => verb.flags)]),
  ]) {
    for (const flag of Object.values<Flag>(flags)) {
      for (const spelling of spellings(flag)) expect(shown).toContain(spelling)
      expect(shown).toContain(flag.about)
    }
  }
})
