// The few files on the workstation that roles read and write.

import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Workstation } from '../../roles/role.ts'
import { PACKED_BYTES, readRegularFile } from '../files/read-file.ts'
import { kubeconfigPaths } from '../kubeconfig/path.ts'
import { CHART_BYTES } from '../supply/chart-source.ts'
import { createPrivate, editKubeconfig, writePrivate } from './kubeconfig-file.ts'

export interface Here {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** `~` is the home directory, as a shell finds it; other relative paths start at the current one. */
export function locate({ env, cwd }: Here, path: string): string {
  return path.startsWith('~/') ? join(env.HOME ?? homedir(), path.slice(2)) : resolve(cwd, path)
}

export function workstation(here: Here): Workstation {
  return {
    kubeconfigs: kubeconfigPaths(here.env.KUBECONFIG),
    read: (path) => {
      const file = locate(here, path)
      const found = statSync(file, { throwIfNoEntry: false })
      if (found === undefined) return null
      return { content: readRegularFile(file, PACKED_BYTES).toString('utf8'), mode: (found.mode & 0o777).toString(8) }
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
    return readRegularFile(file, CHART_BYTES).toString('base64')
  } catch {
    return undefined
  }
}
