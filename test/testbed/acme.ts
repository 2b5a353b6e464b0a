// The test's side of ACME: Pebble and its name server on a node, and a door before them that refuses requests on demand.

import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { TestNode } from './node.ts'
import { inNode, parts, serverCertificate } from './parts.ts'
import { type Inside, Server } from './server.ts'

const Requests = z.array(z.object({ method: z.string(), path: z.string(), refused: z.boolean() }))

/** How the ACME server answers requests whose path starts with `path` (`/dir`, `/order-plz`, `/sign-me-up`, ...), `times` times. */
export interface AcmeRefusal {
  readonly path: string
  readonly times?: number
  readonly status: number
  /** After urn:ietf:params:acme:error: */
  readonly type: string
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
}

export class AcmeServer {
  /** For an issuer's `spec.acme.server`. */
  readonly directoryUrl: string
  /** PEM; an issuer's `caBundle` is its base64. */
  readonly ca: string
  readonly #door: Server
  readonly #node: TestNode

  private constructor(door: Server, node: TestNode, ca: string) {
    this.directoryUrl = `${door.url}/dir`
    this.ca = ca
    this.#door = door
    this.#node = node
  }

  /** Pebble on port 14001, its name server on 53; challenges are tried at port 80 at once, and never taken as solved before. */
  static async start(inside: Inside, node: TestNode, keys: string): Promise<AcmeServer> {
    const [part = ''] = await parts('cert-manager')
    const programs = `${inNode(part)}/acme`
    const certificate = await serverCertificate(keys)
    const files = '/run/pebble'
    const pebble = {
      listenAddress: `${node.host}:14001`,
      managementListenAddress: `${node.host}:15000`,
      certificate: `${files}/server.pem`,
      privateKey: `${files}/server.pem`,
      httpPort: 80,
      tlsPort: 443,
    }
    const variables = ['PEBBLE_VA_NOSLEEP=1', 'PEBBLE_WFE_NONCEREJECT=0', 'PEBBLE_AUTHZREUSE=0']
    const dns = `${programs}/pebble-challtestsrv -defaultIPv4 ${node.host} -defaultIPv6 '' -dnsserver ${node.host}:53 -http01 '' \
      -https01 '' -tlsalpn01 '' -doh '' -management 127.0.0.1:8055`
    const setup = `set -eu
systemctl stop pebble pebble-dns 2>/dev/null || :
mkdir -p -m 700 ${files}
cat >${files}/server.pem
echo '${JSON.stringify({ pebble })}' >${files}/config.json
systemd-run -q --collect --unit=pebble-dns ${dns}
systemd-run -q --collect --unit=pebble ${variables.map((one) => `-E ${one}`).join(' ')} \
  ${programs}/pebble -config ${files}/config.json -dnsserver ${node.host}:53
echo 'nameserver ${node.host}' >/etc/resolv.conf
for i in $(seq 100); do curl -sfko /dev/null https://${node.host}:14001/dir && curl -so /dev/null http://127.0.0.1:8055 && exit; sleep 0.1; done
journalctl -o cat -u pebble -u pebble-dns >&2
exit 1`
    const { code, stderr } = await node.run(setup, { input: await readFile(certificate.file) })
    if (code !== 0) throw new Error(`${node.name}: no ACME server\n${stderr}`)
    const door = await Server.start(inside, 'acme.mjs', ['--tls', certificate.file, '--to', `${node.host}:14001`])
    return new AcmeServer(door, node, certificate.ca)
  }

  /** From now on the name server answers this address for the name (a second call replaces the first). */
  async point(name: string, address: string): Promise<void> {
    await this.#dns('clear-a', { host: `${name}.` })
    await this.#dns('add-a', { host: `${name}.`, addresses: [address] })
  }

  /** Ends point(): the name is the node's again. */
  async unpoint(name: string): Promise<void> {
    await this.#dns('clear-a', { host: `${name}.` })
  }

  /** Refuses requests until clear(). */
  async refuse(refusal: AcmeRefusal): Promise<void> {
    await this.#door.call('refuse', refusal)
  }

  /** No new orders, in the words of Let's Encrypt, until clear(). */
  async rateLimit(): Promise<void> {
    const detail = 'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s'
    await this.refuse({
      path: '/order-plz',
      status: 429,
      type: 'rateLimited',
      detail,
      headers: { 'retry-after': '86400' },
    })
  }

  /** All requests since the start or the last clear(), oldest first. */
  async requests(): Promise<z.infer<typeof Requests>> {
    return Requests.parse(await this.#door.call('requests'))
  }

  /** Forgets requests and refusals. */
  async clear(): Promise<void> {
    await this.#door.call('clear')
  }

  /** Connections are refused until up(); accounts and orders are kept. */
  async down(): Promise<void> {
    await this.#door.call('down')
  }

  async up(): Promise<void> {
    await this.#door.call('up')
  }

  /** The root certificate of what it issues, PEM. */
  async root(): Promise<string> {
    return this.#node.ask(`curl -sfk https://${this.#node.host}:15000/roots/0`)
  }

  async stop(): Promise<void> {
    await this.#door.stop()
  }

  async #dns(call: string, body: object): Promise<void> {
    await this.#node.ask(['curl', '-sf', '-d', JSON.stringify(body), `http://127.0.0.1:8055/${call}`])
  }
}
