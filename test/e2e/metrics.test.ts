// The metrics that alerts and the dashboard use are those of cert-manager's source.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const LIST = new URL('../roles/k3s_platform_addon/metrics.yaml', import.meta.url)

test('the list of metrics is what cert-manager 1.21 has', async () => {
  const { up: _, ...known } = z.record(z.string(), z.array(z.string())).parse(parse(readFileSync(LIST, 'utf8')))
  const module = 'github.com/cert-manager/cert-manager@v1.21.2'
  const { stdout } = await execa('go', ['mod', 'download', '-json', module], { stdin: 'ignore', cwd: '/' })
  const source = z.object({ Dir: z.string() }).parse(JSON.parse(stdout)).Dir
  const quoted = (list = '') => [...list.matchAll(/"([^"]*)"/g)].map(([, one = '']) => one)
  const files = readdirSync(join(source, 'internal/collectors')).map((file) => join('internal/collectors', file))
  const text = [...files, 'pkg/metrics/metrics.go'].map((file) => readFileSync(join(source, file), 'utf8')).join('\n')
  const collected = [...text.matchAll(/NewDesc\("(\w+)", "[^"]*", \[\]string\{([^}]*)\}/g)].map(
    ([, name = '', labels]) => [name, quoted(labels)] as const,
  )
  const counted = [...text.matchAll(/= prometheus\.New\w+\(\n[\s\S]*?\n\t\t\)\n/g)].map(([block]) => {
    const [, subsystem] = /Subsystem: +"(\w+)"/.exec(block) ?? []
    const [, name = ''] = /Name: +"(\w+)"/.exec(block) ?? []
    const full = ['certmanager', ...(subsystem === undefined ? [] : [subsystem]), name].join('_')
    return [full, quoted(/\[\]string\{([^}]*)\}/.exec(block)?.[1])] as const
  })
  expect(Object.fromEntries([...collected, ...counted])).toEqual(known)
})
