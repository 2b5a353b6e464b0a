// certs check: asks Caddy for each certificate, from the node and from the workstation, and compares it with the Secret.

import { connect } from 'node:tls'
import pMap from 'p-map'
import { z } from 'zod'
import { caddyPlace } from '../../../roles/k3s_platform_addon/caddy-reload.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { row } from '../../certificates/row.ts'
import {
  compareServed,
  handshakeFailure,
  isServed,
  type Leaf,
  leafOf,
  type ServedRow,
  servedText,
} from '../../certificates/served.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { anyOf } from '../../cluster/kinds/caddy.ts'
import { type HttpPlace, hostOf } from '../../cluster/proofs.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { bindVars } from '../../inventory/index.ts'
import type { CertsCheckDocument } from '../../report/certs-documents.ts'
import { boundedProblems } from '../../report/door.ts'
import type { CertsCall } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import type { PreparedRun } from '../run.ts'
import type { Prepared } from '../targets.ts'
import { withCluster } from './certs-hosts.ts'

const TIMEOUT_MS = 5000
const HTTPS = 443
/** Each is asked from the node and from here: ten handshakes. */
const NAMES_AT_ONCE = 5

const ingress = z.looseObject({
  metadata: z.looseObject({ namespace: z.string() }),
  spec: z.looseObject({
    tls: z.array(z.looseObject({ hosts: z.array(z.string()).catch([]), secretName: z.string().catch('') })).catch([]),
  }),
})

/** 0: each is served as it is in its Secret; 2: one is not; 1: a host could not be asked. */
export async function check({ prepared }: PreparedRun, options: CertsCall, io: Io): Promise<number> {
  const { names, namespace } = options.certs
  const visited = await pMap(
    prepared,
    async (one) => {
      try {
        return { rows: await checked(one, namespace, names, io), problems: [] }
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        return { rows: [], problems: error.problems }
      }
    },
    { concurrency: options.forks },
  )
  const rows = visited.flatMap((one) => one.rows)
  const problems = [...visited.flatMap((one) => one.problems), ...unknown(rows, names, visited)]
  const exitCode = problems.length > 0 ? 1 : rows.every(isServed) ? 0 : 2
  if (options.output === 'json') {
    const document: CertsCheckDocument = {
      schema: 'k3s-platform/certs-check/v1',
      ...{ exitCode, served: rows, problems: boundedProblems(problems) },
    }
    io.document(document)
    return exitCode
  }
  if (rows.length > 0 || problems.length === 0) io.stdout.write(servedText(io.shown(rows), prepared.length > 1))
  if (problems.length > 0) throw new ProblemError(problems)
  return exitCode
}

/** What was named and no Ingress serves; as long as all hosts were asked. */
function unknown(
  rows: readonly ServedRow[],
  names: readonly string[],
  visited: readonly { readonly problems: readonly Problem[] }[],
): Problem[] {
  if (visited.some(({ problems }) => problems.length > 0)) return []
  return names
    .filter((name) => !rows.some(({ servername }) => servername === hostAndPort(name).host))
    .map((name) => ({
      kind: 'failed',
      where: 'certs check',
      what: `no Ingress serves a certificate for ${name}`,
      hint: 'list all: k3s-platform certs check',
    }))
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? []
  return { host: host.toLowerCase(), port: port === undefined ? HTTPS : Number(port) }
}

/** Those of these names, or all; of one namespace, or all. */
export async function checked(
  prepared: Prepared,
  namespace: string | null,
  names: readonly string[],
  io: Io,
): Promise<ServedRow[]> {
  const { host, address } = prepared
  const { signal } = new AbortController()
  const v = bindVars(host, addon.vars, { env: io.env }).sound
  const rows = await withCluster(prepared, signal, async (cluster) => {
    const within = namespace === null ? {} : { namespace }
    const [live, routes] = await Promise.all([
      cluster.list({ apiVersion: 'cert-manager.io/v1', kind: 'Certificate', ...within }),
      cluster.list({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', ...within }),
    ])
    const listed = routes.flatMap((one) => ingress.safeParse(one).data ?? [])
    const serves = (space: string, secretName: string, name: string) =>
      listed.some(
        ({ metadata, spec }) =>
          metadata.namespace === space &&
          spec.tls.some((tls) => tls.secretName === secretName && tls.hosts.includes(name)),
      )
    const wanted = names.map(hostAndPort)
    const certificates = live.flatMap((one) => row(one, new Date(io.now())) ?? [])
    const all = certificates.flatMap((certificate) =>
      certificate.names
        .filter((name) => serves(certificate.namespace, certificate.secretName, name))
        .map((name) => ({ certificate, name }))
        .filter(({ name }) => wanted.length === 0 || wanted.some((one) => one.host === name)),
    )
    if (all.length === 0) return []
    const place = v && caddyPlace(v, { host: host.name, address, boundSeconds: undefined })
    const at = place === undefined ? 'the variables of this host are not valid' : await addressOf(cluster, place)
    return pMap(
      all,
      async ({ certificate, name }): Promise<ServedRow> => {
        const ref = { apiVersion: 'v1', kind: 'Secret', namespace: certificate.namespace, name: certificate.secretName }
        const servername = anyOf(name)
        const port = wanted.find((one) => one.host === name)?.port ?? HTTPS
        const [secret, node, outside] = await Promise.all([
          cluster.get(ref),
          typeof at === 'string' ? at : fromNode(cluster, servername, at.host),
          name.startsWith('*.') ? null : fromHere(servername, port),
        ])
        const held = leafOf(secret)
        return {
          ...{ host: host.name, namespace: certificate.namespace, name: certificate.name, servername: name },
          node: compareServed(node, held),
          outside: outside === null ? null : compareServed(outside, held),
        }
      },
      { concurrency: NAMES_AT_ONCE },
    )
  })
  return rows ?? []
}

/** Where Caddy answers TLS, or why that is not known. */
async function addressOf(cluster: Cluster, place: HttpPlace): Promise<{ readonly host: string } | string> {
  const at = await hostOf(cluster, place.service === undefined ? { ...place, hostPort: HTTPS } : place)
  return 'host' in at ? at : at.is === 'ready' ? 'Caddy has no address' : at.why
}

async function fromNode(cluster: Cluster, servername: string, address: string): Promise<Leaf | string> {
  try {
    return await cluster.handshake({ servername, address, port: HTTPS, timeoutMs: TIMEOUT_MS })
  } catch (error) {
    return handshakeFailure(error)
  }
}

/** What clients get: where DNS leads this machine to. Whether they trust it is not asked here. */
function fromHere(servername: string, port: number): Promise<Leaf | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: servername, port, servername, rejectUnauthorized: false })
    // For all of it: a server that keeps on talking would hold off a timeout of the socket.
    const timer = setTimeout(() => end(`no answer within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS)
    const end = (outcome: Leaf | string) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()
      end(
        shown === undefined
          ? 'no certificate was shown'
          : { fingerprint: shown.fingerprint256, notAfter: new Date(shown.validTo) },
      )
    })
    socket.on('error', (error) => end(handshakeFailure(error)))
    socket.once('close', () => end('the connection was closed'))
  })
}
