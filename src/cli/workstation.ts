// The few files that roles have on this machine.

import { readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Workstation } from '../../roles/role.ts'

/** `~` is `home`; other relative paths start at `cwd`. */
export function workstation(home: string, cwd: string): Workstation {
  const locate = (path: string) => (path.startsWith('~/') ? join(home, path.slice(2)) : resolve(cwd, path))
  return {
    read: (path) => {
      const file = locate(path)
      const found = statSync(file, { throwIfNoEntry: false })
      if (found === undefined) return null
      return { content: readFileSync(file, 'utf8'), mode: (found.mode & 0o777).toString(8) }
    },
    write: async (path, content) => {
      const file = locate(path)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      const part = `${file}.${process.pid}.part`
      const handle = await open(part, 'w', 0o600)
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await chmod(part, 0o600)
      await rename(part, file)
    },
  }
}
