// Who may be shown a secret: a person at the terminal, once, as it is; no log that is kept, and no document.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { terminalOf } from '../../src/cli/terminal.ts'
import { Secret } from '../../src/engine/secret.ts'
import { redactor } from '../../src/report/redact.ts'
import { makeReporter } from '../../src/report/reporter.ts'

test.each([
  ['text', undefined, null],
  ['text', 'false', null],
  ['text', 'true', 'CI is set'],
  ['text', 'woodpecker', 'CI is set'],
  ['json', undefined, 'with -o json'],
  ['junit', undefined, 'with -o junit'],
  ['github', undefined, 'with -o github'],
] as const)('-o %s with CI=%s is refused: %s', (output, CI, why) => {
  const shown: string[] = []
  const terminal = terminalOf({ output }, { env: { CI } }, (line) => shown.push(line))
  if ('refused' in terminal) expect(terminal.refused).toContain(why ?? 'nothing')
  else {
    expect(why).toBeNull()
    terminal.show(['a', 'b'])
    expect(shown).toEqual(['a', 'b'])
  }
})

test('a line that is revealed keeps what is hidden elsewhere, and is in stderr alone', () => {
  const dir = mkdtempSync(join(tmpdir(), 'terminal-'))
  try {
    const [out, err]: string[][] = [[], []]
    const io = {
      stdout: { write: (text: string) => out?.push(text) },
      stderr: { write: (text: string) => err?.push(text) },
      ...{ env: {}, cwd: dir, now: () => 0, onExit: () => () => undefined },
    }
    const options = { mode: 'apply', output: 'text', diff: false, quiet: true, verbosity: 3, color: false } as const
    const hide = redactor([new Secret('1234')])
    const reporter = makeReporter({ ...options, events: 'events.jsonl', again: '' }, io, hide)
    reporter.say('key 012345')
    reporter.reveal('key 012345')
    reporter.end([], [])
    expect([out, err]).toEqual([[], ['key 0***5\n', 'key 012345\n']])
    expect(readFileSync(join(dir, 'events.jsonl'), 'utf8')).toBe('')
  } finally {
    rmSync(dir, { recursive: true })
  }
})
