// The kinds under bash.

import { runCases } from './run-cases.ts'

runCases('bash')
