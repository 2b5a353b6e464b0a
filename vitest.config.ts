import { defineConfig } from 'vitest/config'
import { templates } from './scripts/template-plugin.mjs'

/** Real nodes: they need root and what test/testbed/setup.ts prepares. */
const onNodes = { globalSetup: 'test/testbed/setup.ts', testTimeout: 300_000, hookTimeout: 900_000 }

export default defineConfig({
  plugins: [templates()],
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/bench/**', 'test/testbed/**'],
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
