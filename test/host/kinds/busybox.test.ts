// The kinds under busybox.

import { runCases } from './run-cases.ts'

runCases('busybox')
