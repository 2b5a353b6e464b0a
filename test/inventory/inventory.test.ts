// Every case of cases/*.yaml against its snapshot: to add a case is to add data.

import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cases, load, unpack } from './case.ts'
import { report } from './report.ts'

describe.each([...new Set(cases.map(({ topic }) => topic))])('%s', (topic) => {
  test.each(cases.filter((one) => one.topic === topic))('$title', async ({ given }) => {
    const cwd = unpack(given)
    try {
      expect(`\n${report(given, await load(given, cwd), cwd)}\n`).toMatchSnapshot()
    } finally {
      rmSync(cwd, { recursive: true })
    }
  })
})
