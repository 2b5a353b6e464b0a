// The test's side of Flux's releases: a mirror that serves install.yaml and the checksums as GitHub does, with its faults.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Mirror } from './mirror.ts'
import { parts } from './parts.ts'
import type { Inside } from './server.ts'

/** The releases that flux/build makes, the newest first. */
const FLUX_VERSIONS = ['v2.9.5', 'v2.9.4'] as const

/** Requests: `/<version>/install.yaml` and `/<version>/flux_<number>_checksums.txt`. */
export class Flux {
  /** For its requests, faults, down() and up(). */
  readonly mirror: Mirror
  readonly versions = FLUX_VERSIONS
  readonly #dir: string

  private constructor(mirror: Mirror, dir: string) {
    this.mirror = mirror
    this.#dir = dir
  }

  static async start(inside: Inside): Promise<Flux> {
    const [part = ''] = await parts('flux')
    const dir = join(part, 'releases')
    return new Flux(await Mirror.start(inside, dir), dir)
  }

  /** Without a slash at the end: the value of k3s_platform_flux_mirror_url. */
  get url(): string {
    return this.mirror.url
  }

  /** install.yaml of a release, on this machine. */
  file(version: (typeof FLUX_VERSIONS)[number]): string {
    return join(this.#dir, version, 'install.yaml')
  }

  /** The sha256 of that file, in hexadecimal. */
  async digest(version: (typeof FLUX_VERSIONS)[number]): Promise<string> {
    return createHash('sha256')
      .update(await readFile(this.file(version)))
      .digest('hex')
  }

  async stop(): Promise<void> {
    await this.mirror.stop()
  }
}
