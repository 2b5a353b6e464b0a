// A case of the inventory tests: files and flags from cases/*.yaml, put into a temporary directory and loaded.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Inventory, loadInventory } from '../../src/inventory/load.ts'

const Case = z.strictObject({
  files: z.record(z.string(), z.string()),
  /** `-i`, `-e` and the environment. */
  sources: z.array(z.string()).default([]),
  extra: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  /** A stand-in key: the clear text is what follows the first line. */
  decrypt: z.boolean().default(false),
  /** Only these hosts. */
  hosts: z.array(z.string()).optional(),
  show: z.array(z.enum(['vars', 'connection', 'bind', 'where', 'templates'])).default(['vars']),
  where: z.array(z.string()).default([]),
  patterns: z.array(z.string()).default([]),
  limits: z.array(z.string()).default([]),
  /** Why the result is not compared with Ansible's; `templates`: it is compared after templating. */
  ansible: z.string().optional(),
})
export type Case = z.output<typeof Case>

const folder = join(import.meta.dirname, 'cases')

/** All cases: their topic, the sentence that they are called, what they are. */
export const cases = readdirSync(folder)
  .sort()
  .flatMap((file) => {
    const all = z.record(z.string(), Case).parse(parse(readFileSync(join(folder, file), 'utf8'), { merge: true }))
    return Object.entries(all).map(([title, given]) => ({ topic: file.replace('.yaml', ''), title, given }))
  })

/** Writes the files of a case; gives the directory. */
export function unpack(given: Case): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'inventory-')))
  for (const [path, content] of Object.entries(given.files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), content)
  }
  return directory
}

export function load(given: Case, cwd: string): Promise<Inventory> {
  return loadInventory({
    sources: given.sources,
    extraVars: given.extra,
    cwd,
    env: given.env,
    decrypt: given.decrypt
      ? async ({ data }) => Buffer.from(data).toString('utf8').split('\n').slice(1).join('\n').trimEnd()
      : undefined,
  })
}
