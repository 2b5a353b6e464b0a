// The few shell functions that probes and steps share; they go out at the head of every script.

import { script } from './sh.ts'
import preludeText from './shell/prelude.sh'

export const prelude = script(preludeText)
