// The few files that roles have on this machine.

import { readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Workstation } from '../../roles/role.ts'
import { kubeconfigPaths } from '../kubeconfig/path.ts'
import { createPrivate, editKubeconfig, writePrivate } from './kubeconfig-file.ts'

export interface Here {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** `~` is the home directory; other relative paths start at the current one. */
export function locate({ env, cwd }: Here, path: string): string {
  return path.startsWith('~/') ? join(env.HOME ?? '', path.slice(2)) : resolve(cwd, path)
}

export function workstation(here: Here): Workstation {
  return {
    kubeconfigs: kubeconfigPaths(here.env.KUBECONFIG),
    read: (path) => {
      const file = locate(here, path)
      const found = statSync(file, { throwIfNoEntry: false })
      if (found === undefined) return null
      return { content: readFileSync(file, 'utf8'), mode: (found.mode & 0o777).toString(8) }
    },
    write: (path, content) => writePrivate(locate(here, path), content),
    create: (path, content) => createPrivate(locate(here, path), content),
    edit: (path, change) => editKubeconfig(locate(here, path), change),
    remove: (path) => rm(locate(here, path), { force: true }),
  }
}

/** A file in base64; undefined: there is none that can be read. */
export function base64Of(file: string): string | undefined {
  try {
    return readFileSync(file).toString('base64')
  } catch {
    return undefined
  }
}
