// A real Vault on a node, as somebody else runs it, and what it says of itself.

import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { inNode, parts } from '../testbed/parts.ts'

export interface VaultOptions {
  /** Default 127.0.0.1:8200. */
  readonly listen?: string
  /** A file of the node with certificate and key: it speaks https. */
  readonly tls?: string
}

const Status = z.looseObject({ initialized: z.boolean(), sealed: z.boolean() })
const Init = z.looseObject({ keys: z.array(z.string()), keys_base64: z.array(z.string()), root_token: z.string() })
export type Init = z.output<typeof Init>

/** `METHOD PATH TOKEN BODY`, a line each, on stdin: no secret is an argument. */
const CALL = `import json, sys, urllib.request, urllib.error
method, path, token, body = [json.loads(line) for line in sys.stdin]
headers = {"x-vault-token": token} if token else {}
request = urllib.request.Request("http://127.0.0.1:8200/v1/" + path, method=method, headers=headers, data=body.encode() if body else None)
try:
    print(urllib.request.urlopen(request, timeout=10).read().decode() or "{}")
except urllib.error.HTTPError as error:
    print(json.dumps({"status": error.code, **json.loads(error.read() or "{}")}))
`

export class RealVault {
  readonly node: TestNode
  #count = 0
  readonly #program: string

  private constructor(node: TestNode, program: string) {
    this.node = node
    this.#program = program
  }

  static async on(node: TestNode): Promise<RealVault> {
    const [part = ''] = await parts('vault')
    await node.run('cat >/srv/call.py', { input: CALL })
    return new RealVault(node, `${inNode(part)}/vault`)
  }

  /** A new one, empty, in place of the one before. */
  async fresh(options: VaultOptions = {}): Promise<void> {
    await this.stop()
    this.#count++
    await this.start(options)
  }

  async start({ listen = '127.0.0.1:8200', tls }: VaultOptions = {}): Promise<void> {
    const data = `/srv/vault-${this.#count}`
    const secure = tls === undefined ? '' : `-cert ${tls} -key ${tls}`
    await this.node.ask(
      `mkdir -p ${data}; systemd-run -q --collect --unit vault ${this.#program} -data ${data} -listen ${listen} ${secure}`,
    )
    const port = listen.replace(/^.*:/, '')
    await this.node.ask(`for i in $(seq 100); do ss -ltn | grep -q ':${port} ' && exit; sleep 0.1; done; exit 1`)
  }

  /** After its next start it is sealed. */
  async stop(): Promise<void> {
    await this.node.run('systemctl stop vault 2>/dev/null')
  }

  async call(method: string, path: string, body: object | null = null, token = ''): Promise<unknown> {
    const lines = [method, path, token, body && JSON.stringify(body)].map((one) => `${JSON.stringify(one)}\n`)
    const { stdout, stderr } = await this.node.run(['python3', '/srv/call.py'], { input: lines.join('') })
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout)
  }

  async status(): Promise<z.output<typeof Status>> {
    return Status.parse(await this.call('GET', 'sys/seal-status'))
  }

  /** As an operator does it. */
  async init(): Promise<Init> {
    return Init.parse(await this.call('PUT', 'sys/init', { secret_shares: 5, secret_threshold: 3 }))
  }

  /** Whether that is its root token. */
  async isRoot(token: string): Promise<boolean> {
    return JSON.stringify(await this.call('GET', 'auth/token/lookup-self', null, token)).includes('"policies":["root"]')
  }
}
