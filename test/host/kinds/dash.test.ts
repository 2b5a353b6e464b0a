// The kinds under dash.

import { runCases } from './run-cases.ts'

runCases('dash')
