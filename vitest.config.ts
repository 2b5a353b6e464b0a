import { defineConfig } from 'vitest/config'
import { templates } from './scripts/template-plugin.mjs'

export default defineConfig({
  plugins: [templates()],
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**', 'test/testbed/**'] },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: 'test/testbed/setup.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
