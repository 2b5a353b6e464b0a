// Whether files of root are seen as such: in a namespace of a user, as test/tools.ts may make one, they seem to be nobody's.

import { statSync } from 'node:fs'

/** The program keeps nothing in a directory below one that is neither root's nor the user's own: no cache to be tested there. */
export const seesRoot = [0, process.getuid?.()].includes(statSync('/').uid)
