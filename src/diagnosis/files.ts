// Why a file or a directory of the workstation cannot be read.

import type { Row } from './diagnose.ts'

/** Error codes of Node.js. A path is in its messages, so only the code is the evidence. */
export const FILES: readonly Row[] = [
  { name: 'missing', pattern: /^ENOENT$/, cause: 'no such file', example: 'ENOENT' },
  { name: 'denied', pattern: /^EACCES$/, cause: 'permission denied', example: 'EACCES' },
  { name: 'directory', pattern: /^EISDIR$/, cause: 'it is a directory', example: 'EISDIR' },
  {
    name: 'no-directory',
    pattern: /^ENOTDIR$/,
    cause: 'a component of its path is not a directory',
    example: 'ENOTDIR',
  },
  { name: 'loop', pattern: /^ELOOP$/, cause: 'its symbolic links form a loop', example: 'ELOOP' },
  { name: 'long-name', pattern: /^ENAMETOOLONG$/, cause: 'the name is too long', example: 'ENAMETOOLONG' },
  {
    name: 'nul',
    pattern: /^ERR_INVALID_ARG_VALUE$/,
    cause: 'the name contains a NUL byte',
    example: 'ERR_INVALID_ARG_VALUE',
  },
]
