// Who may be shown a secret: a person at the terminal, once, as it is; no log that is kept, and no document.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { terminalOf } from '../../src/cli/terminal.ts'
import { Secret } from '../../src/engine/secret.ts'
import { openDoor } from '../../src/report/door.ts'
import { makeReporter } from '../../src/report/reporter.ts'

test.each([
  ['text', undefined, true, null],
  ['text', 'false', true, null],
  ['text', undefined, false, 'stderr is not a terminal'],
  ['text', 'true', true, 'CI is set'],
  ['text', 'woodpecker', true, 'CI is set'],
  ['json', undefined, true, '-o json is for programs'],
  ['junit', undefined, true, '-o junit is for programs'],
  ['github', undefined, true, '-o github is for programs'],
] as const)('-o %s with CI=%s and a terminal (%s) is refused: %s', (output, CI, isTTY, why) => {
  const shown: string[] = []
  const terminal = terminalOf({ output }, { env: { CI }, stderr: { isTTY, write: () => true } }, (line) =>
    shown.push(line),
  )
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
    const io = openDoor({
      stdout: { write: (text: string) => out?.push(text) },
      stderr: { write: (text: string) => err?.push(text) },
      ...{ env: {}, cwd: dir, now: () => 0, onExit: () => () => undefined },
    })
    io.learn([new Secret('1234')])
    const options = { mode: 'apply', output: 'text', diff: false, quiet: true, verbosity: 3, color: false } as const
    const reporter = makeReporter({ ...options, events: 'events.jsonl', again: '' }, io)
    reporter.say('key 012345')
    reporter.reveal('key 012345\x1b]52;c;eA\x07')
    reporter.end([], [])
    expect([out, err]).toEqual([[], ['key 0***5\n', 'key 012345\\x1b]52;c;eA\\x07\n']])
    expect(readFileSync(join(dir, 'events.jsonl'), 'utf8')).toBe('')
  } finally {
    rmSync(dir, { recursive: true })
  }
})
