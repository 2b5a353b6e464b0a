// Container images for nodes with real pods, as OCI archives: made from the programs that other nodes run as processes.

import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { inNode, type ProgramPart, parts } from './parts.ts'

const pack = fileURLToPath(new URL('images/pack.mjs', import.meta.url))

/** Where a node sees the archives of the images that it needs before any other. */
export async function baseImages(): Promise<string> {
  const [base = ''] = await parts('images')
  return `${inNode(base)}/*.tar`
}

/**
 * Where a node sees the archive of a group of images/list.json, which is kept beside the group's programs in a part or in the
 * releases. `files` below `root` are what its images have in their own.
 */
export async function imageArchive(
  group: ProgramPart | 'k3s',
  part: string,
  root: string,
  files = '.',
): Promise<string> {
  const [base = ''] = await parts('images')
  const name = `${basename(base)}.tar`
  const archive = join(part, name)
  if (!existsSync(archive)) {
    const own = `${archive}.${process.pid}`
    const tar = ['-c', '--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '-f', `${own}.layer`]
    await execa('tar', [...tar, '-C', root, files], { stdin: 'ignore' })
    await execa(process.execPath, [pack, own, group, join(base, 'base.layer'), `${own}.layer`], { stdin: 'ignore' })
    await rm(`${own}.layer`)
    await rename(own, archive)
  }
  return `${inNode(part)}/${name}`
}
