// The test's side of the charts: a mirror that serves the packed charts as a repository and as an OCI registry, with its faults.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { Mirror } from './mirror.ts'
import { parts, serverCertificate } from './parts.ts'
import type { Inside } from './server.ts'

const Index = z.object({
  entries: z.record(z.string(), z.array(z.object({ version: z.string(), digest: z.string() }))),
})

/**
 * Requests: `/<chart>-<version>.tgz` and `/index.yaml` in the repository; `/v2/charts/<chart>/manifests/<version or digest>`
 * and `/v2/charts/<chart>/blobs/<digest>` in the registry.
 */
export class Charts {
  /** For its requests, faults, down() and up(). */
  readonly mirror: Mirror
  /** The certificate to trust, PEM; null for a server that speaks http. */
  readonly ca: string | null
  /** By chart, the newest first. */
  readonly versions: Readonly<Record<string, readonly string[]>>
  readonly #dir: string
  readonly #digests: ReadonlyMap<string, string>

  private constructor(mirror: Mirror, ca: string | null, dir: string, index: z.infer<typeof Index>) {
    this.mirror = mirror
    this.ca = ca
    this.#dir = dir
    const entries = Object.entries(index.entries)
    this.versions = Object.fromEntries(entries.map(([name, all]) => [name, all.map(({ version }) => version)]))
    this.#digests = new Map(
      entries.flatMap(([name, all]) => all.map(({ version, digest }) => [`${name}-${version}`, digest])),
    )
  }

  /** With a directory for its key: by https. */
  static async start(inside: Inside, keys: string | null): Promise<Charts> {
    const [dir = ''] = await parts('charts')
    const index = Index.parse(parse(await readFile(join(dir, 'index.yaml'), 'utf8')))
    const certificate = keys === null ? null : await serverCertificate(keys)
    return new Charts(await Mirror.start(inside, dir, certificate?.file), certificate?.ca ?? null, dir, index)
  }

  /** For a HelmChart's `spec.repo`. */
  get repoUrl(): string {
    return this.mirror.url
  }

  /** The registry's folder: `<ociUrl>/<chart>` is a HelmChart's whole `spec.chart`; by http it needs `spec.plainHTTP: true`. */
  get ociUrl(): string {
    return `oci://${new URL(this.mirror.url).host}/charts`
  }

  /** The file of a packed chart, on this machine. */
  file(chart: string, version: string): string {
    return join(this.#dir, `${chart}-${version}.tgz`)
  }

  /** The sha256 of that file, in hexadecimal. */
  digest(chart: string, version: string): string {
    const digest = this.#digests.get(`${chart}-${version}`)
    if (digest === undefined) throw new Error(`there is no chart ${chart} ${version}`)
    return digest
  }

  async stop(): Promise<void> {
    await this.mirror.stop()
  }
}
