import { defineConfig } from 'vitest/config'
import { templates } from './scripts/template-plugin.mjs'
import { workers } from './scripts/worker-plugin.mjs'

/** Real nodes: they need root and what test/testbed/setup.ts prepares. Time for a machine that has other work, too. */
const onNodes = {
  globalSetup: ['test/testbed/setup.ts', 'test/tools.ts'],
  testTimeout: 600_000,
  hookTimeout: 900_000,
  expect: { poll: { timeout: 120_000, interval: 500 } },
}

export default defineConfig({
  plugins: [templates(), workers()],
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // Most of a test's time is another process's: one worker a core, on two cores, too; and on a busy machine it waits.
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup: 'test/tools.ts',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/bench/**', 'test/testbed/**'],
          // Of one file: each of them is a process of its own.
          maxConcurrency: 2,
        },
      },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], maxWorkers: 2, ...onNodes } },
      {
        extends: true,
        // One after the other: they measure.
        test: {
          name: 'bench',
          include: ['test/bench/**/*.test.ts'],
          maxWorkers: 1,
          ...onNodes,
          testTimeout: 1_200_000,
        },
      },
    ],
  },
})
