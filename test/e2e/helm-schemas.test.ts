// The real Helm says of schemas and values what test/supply/helm-schemas.yaml says that it does.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { schemaVerdicts } from '../supply/helm-schemas.ts'
import { Testbed } from '../testbed/testbed.ts'

test('Helm takes and refuses the values that the check takes and refuses', async () => {
  const testbed = await Testbed.open()
  try {
    // A chart below it for each verdict: Helm judges them all in one run, and names those that refuse.
    const parent = await testbed.dir()
    const write = async (path: string, content: object) => {
      await mkdir(dirname(join(parent, path)), { recursive: true })
      await writeFile(join(parent, path), JSON.stringify(content))
    }
    const verdicts = schemaVerdicts()
    await write('Chart.yaml', { apiVersion: 'v2', name: 'parent', version: '1.0.0' })
    for (const [i, { schema, defaults }] of verdicts.entries()) {
      await write(`charts/c${i}/Chart.yaml`, { apiVersion: 'v2', name: `c${i}`, version: '1.0.0' })
      await write(`charts/c${i}/values.yaml`, defaults)
      await write(`charts/c${i}/values.schema.json`, schema)
    }
    await write('given.json', Object.fromEntries(verdicts.map(({ value }, i) => [`c${i}`, { it: value }])))
    const build = fileURLToPath(new URL('../testbed/k3s-standin/build', import.meta.url))
    const { stdout: k3s } = await execa(build, ['v1.36.5+k3s1'])
    const standin = join(dirname(dirname(k3s)), 'standin')
    const helm = await execa(standin, ['helm', 'template', 'x', parent, '-f', join(parent, 'given.json')], {
      reject: false,
    })
    const refusing = new Set([...helm.stderr.matchAll(/(c\d+):$/gm)].map(([, name]) => name))
    expect(refusing.size).toBeGreaterThan(100)
    const wrong = verdicts.filter(({ verdict }, i) => refusing.has(`c${i}`) !== (verdict === 'refuses'))
    expect(wrong.map(({ title, shown, verdict }) => `${title}: ${shown}: not "${verdict}"`)).toEqual([])
  } finally {
    await testbed.close()
  }
})
