import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { eachRole } from '../../roles/index.ts'
import { parse } from '../../src/cli/options.ts'
import { roles } from '../../src/cli/roles.ts'
import { bindVars, connectionNames, connectionOf, loadInventory, unknownVars } from '../../src/inventory/index.ts'

const top = fileURLToPath(new URL('../../', import.meta.url))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(top, 'docs'))
    .filter((f) => f.endsWith('.md'))
    .map((f) => `docs/${f}`),
]

/** The code blocks of a page with what stands behind their three backticks. */
function blocks(page: string): { info: string; text: string }[] {
  const text = readFileSync(join(top, page), 'utf8')
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', body = '']) => ({ info, text: body }))
}

describe.each(pages)('%s', (page) => {
  test('every link within the project leads somewhere', () => {
    const text = readFileSync(join(top, page), 'utf8')
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link = '']) =>
      join(top, dirname(page), link),
    )
    expect(links.filter((link) => !existsSync(link))).toEqual([])
  })

  test('every command line is one that the program understands', () => {
    const commands = blocks(page)
      .filter(({ info }) => info === 'console' || info === 'sh')
      .flatMap(({ text }) => text.split('\n'))
      .filter((line) => /^(npx )?k3s-platform /.test(line))
    for (const line of commands) {
      const words = [...line.replace(/^(npx )?k3s-platform /, '').matchAll(/'([^']*)'|(\S+)/g)].map(
        (m) => m[1] ?? m[2] ?? '',
      )
      expect(parse(words, {}, { version: '0', roles }), line).toMatchObject({ is: expect.stringMatching(/run|print/) })
    }
  })

  test('every inventory and every variable is one that the program takes', async () => {
    for (const { info, text } of blocks(page)) {
      if (!info.startsWith('yaml ')) continue
      const dir = mkdtempSync(join(tmpdir(), 'docs-'))
      try {
        const hosts =
          info === 'yaml inventory' ? text : `all:\n  hosts:\n    edge-1:\n  vars:\n${text.replace(/^(?=.)/gm, '    ')}`
        writeFileSync(join(dir, 'hosts.yaml'), hosts)
        const inventory = await loadInventory({ sources: [dir], cwd: dir, env: {} })
        const known = [...connectionNames, ...eachRole((role) => Object.keys(role.vars.shape)).flat()]
        const problems = inventory.hosts.flatMap((host) => [
          ...unknownVars([host], known).flatMap((one) => one.problems),
          ...connectionOf(host, { cwd: dir, env: {} }).problems,
          ...eachRole((role) => bindVars(host, role.vars).problems).flat(),
        ])
        expect([...inventory.problems, ...problems]).toEqual([])
        expect(inventory.hosts.length).toBeGreaterThan(0)
      } finally {
        rmSync(dir, { recursive: true })
      }
    }
  })
})
