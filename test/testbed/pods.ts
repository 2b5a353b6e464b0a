// The test function for what needs nodes with real pods.

import { test } from 'vitest'

/** Left out where setup.ts has found that this machine cannot run them, and has said why; in CI that is an error. */
export const podTest = test.skipIf(process.env.K3SP_NO_REAL_PODS !== undefined)
