// A tiny apt repository of packages that are made on the spot, and the way to point a node at it.

import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { TestNode } from './node.ts'

/** A package with one file, /usr/share/<name>/version. */
export interface DebPackage {
  readonly name: string
  readonly version: string
  readonly depends?: string
}

/** Writes the packages and their index into `dir`, which is then served as a flat repository. */
export async function aptRepository(dir: string, packages: readonly DebPackage[]): Promise<void> {
  await mkdir(dir, { recursive: true })
  const index = await Promise.all(packages.map((one) => debPackage(dir, one)))
  await writeFile(join(dir, 'Packages'), index.join('\n'))
}

async function debPackage(dir: string, { name, version, depends }: DebPackage): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), 'k3sp-deb-'))
  const lines = [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: Testbed <testbed@example.org>',
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    'Description: a package for tests',
  ]
  await mkdir(join(tree, 'DEBIAN'), { mode: 0o755 })
  await mkdir(join(tree, 'usr/share', name), { recursive: true })
  await writeFile(join(tree, 'DEBIAN/control'), `${lines.join('\n')}\n`)
  await writeFile(join(tree, 'usr/share', name, 'version'), `${version}\n`)
  const file = `${name}_${version}_all.deb`
  await execa('/usr/bin/dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, join(dir, file)])
  await rm(tree, { recursive: true })
  const content = await readFile(join(dir, file))
  const digest = createHash('sha256').update(content).digest('hex')
  return `${[...lines, `Filename: ./${file}`, `Size: ${content.length}`, `SHA256: ${digest}`].join('\n')}\n`
}

/** Makes `url` the node's only package source; the next `apt-get update` reads it. */
export async function useApt(node: TestNode, url: string): Promise<void> {
  await node.ask(
    `rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*; echo 'deb [trusted=yes] ${url} ./' >/etc/apt/sources.list`,
  )
}
