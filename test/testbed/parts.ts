// Real programs and charts for the nodes: what the script `parts` has built, and a certificate for servers that speak https.

import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

/** The address of the test's side in the testbed's network. */
const HERE = '10.88.0.1'

/** Parts whose `images` a node can run. */
export type ProgramPart = 'caddy' | 'coredns' | 'cert-manager' | 'external-dns' | 'external-secrets' | 'flux'

/** What setup.ts builds before the tests. */
export const PARTS = [
  'charts',
  'caddy',
  'cert-manager',
  'coredns',
  'external-dns',
  'external-secrets',
  'flux',
  'images',
  'uml',
  'vault',
] as const

/** The directories of parts, in the order asked for; builds what is missing (minutes, with words on stderr). */
export async function parts(...names: readonly (typeof PARTS)[number][]): Promise<string[]> {
  const script = fileURLToPath(new URL('parts', import.meta.url))
  return (await execa(script, names, { stdin: 'ignore', stderr: 'inherit' })).stdout.split('\n')
}

/** Where a node sees the directory of a part. */
export function inNode(part: string): string {
  return `/usr/local/lib/testbed/${basename(part)}`
}

/** A new certificate for the test's side, which is its own authority. */
export interface ServerCertificate {
  /** A file with certificate and key. */
  readonly file: string
  /** The certificate: what a client has to trust. */
  readonly ca: string
}

/** Makes one in `dir`. */
export async function serverCertificate(dir: string): Promise<ServerCertificate> {
  const file = join(dir, 'server.pem')
  const subject = ['-subj', '/CN=testbed', '-addext', `subjectAltName=IP:${HERE}`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-out', '-']
  const { stdout } = await execa('/usr/bin/openssl', ['req', '-x509', '-days', '30', ...subject, ...key], {
    stdin: 'ignore',
  })
  await writeFile(file, stdout, { mode: 0o600 })
  return { file, ca: stdout.slice(stdout.indexOf('-----BEGIN CERTIFICATE-----')) }
}
