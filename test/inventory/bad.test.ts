// Bad inventories, all of bad/*.yaml, as the program reads them: what it says of each, before any host is spoken to.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { parse as parseArguments } from '../../src/cli/options.ts'
import { roles } from '../../src/cli/roles.ts'
import { open } from '../../src/cli/run.ts'
import { type Problem, ProblemError } from '../../src/engine/problem.ts'
import { openDoor } from '../../src/report/door.ts'

/** By the sentence that it is called: text of group_vars/all.yaml, or files. */
const Topic = z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())]))

const HOSTS = 'all:\n  hosts:\n    edge-1:\n      ansible_host: 192.0.2.7\n'
const folder = join(import.meta.dirname, 'bad')

/** Of the role that the topic is about. */
async function problemsOf(files: Readonly<Record<string, string>>, role: string): Promise<string> {
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'bad-')))
  try {
    for (const [path, text] of Object.entries({ 'hosts.yaml': HOSTS, ...files })) {
      mkdirSync(dirname(join(cwd, path)), { recursive: true })
      writeFileSync(join(cwd, path), text)
    }
    const stream = () => Object.assign(new PassThrough(), { isTTY: false, columns: 80 })
    const io = openDoor({
      cwd,
      env: { HOME: cwd, CLOUDFLARE_API_TOKEN: 'never-to-be-seen' },
      now: () => 0,
      onExit: () => () => {},
      stdout: stream(),
      stderr: stream(),
    })
    const parsed = parseArguments(['plan', role, '-i', cwd], {}, { version: '0', roles })
    if (parsed.is !== 'run') throw new Error('the command line is wrong')
    const problems = await open(parsed.options, io, (role) => role.stages).then(
      ({ prepared }) => prepared.flatMap((one) => one.problems),
      (error: unknown) => {
        if (error instanceof ProblemError) return error.problems
        throw error
      },
    )
    return `\n${problems.map(told).join('\n')}\n`.replaceAll(`${cwd}/`, '')
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

const told = ({ kind, where, what, hint }: Problem) =>
  `${kind === 'usage' ? 'x' : kind} ${where}: ${what}${hint === undefined ? '' : `\n    hint: ${hint}`}`

describe.each(readdirSync(folder).toSorted())('%s', (file) => {
  const role = ['addons.yaml', 'charts.yaml'].includes(file) ? 'k3s_platform_addon' : 'k3s_platform_bootstrap'
  const cases = Object.entries(Topic.parse(parse(readFileSync(join(folder, file), 'utf8'))))
  test.each(cases)('%s', async (_, given) => {
    const files = typeof given === 'string' ? { 'group_vars/all.yaml': given } : given
    const said = await problemsOf(files, role)
    expect(said.trim()).not.toBe('')
    expect(said).toMatchSnapshot()
  })
})
