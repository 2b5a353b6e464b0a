// A Vault in memory behind a cluster's http: it is initialised and opened as the real one, and answers with its words.

import { randomBytes } from 'node:crypto'
import type { NodeAnswer, NodeRequest } from '../../src/cluster/cluster.ts'
import { LinkError } from '../../src/host/transport.ts'
import { FakeCluster } from '../cluster/fake.ts'

export class FakeVault {
  initialized = false
  sealed = true
  type = 'shamir'
  threshold = 0
  keys: Buffer[] = []
  root = ''
  /** `PUT sys/unseal`, in order. */
  readonly calls: string[] = []
  /** Called before an answer is made; what it throws or returns comes in its place. */
  fault: (call: string) => NodeAnswer | undefined = () => undefined
  /** Called when the work is done and the answer is on its way. */
  after: (call: string) => void = () => undefined
  #given = new Set<string>()

  /** As somebody else does it; the JSON is the CLI's. */
  init(shares = 5, threshold = 3): string {
    this.initialized = true
    this.threshold = threshold
    this.keys = Array.from({ length: shares }, () => randomBytes(33))
    this.root = `hvs.${randomBytes(12).toString('hex')}`
    return JSON.stringify({
      unseal_keys_b64: this.keys.map((key) => key.toString('base64')),
      unseal_keys_hex: this.keys.map((key) => key.toString('hex')),
      unseal_threshold: threshold,
      root_token: this.root,
    })
  }

  /** All that nobody may see, in each form. */
  get secrets(): string[] {
    return [this.root, ...this.keys.flatMap((key) => [key.toString('base64'), key.toString('hex')])]
  }

  /** Keys given in the turn under way. */
  get progress(): number {
    return this.#given.size
  }

  readonly answer = async ({ method = 'GET', path, headers = {}, body }: NodeRequest): Promise<NodeAnswer> => {
    const call = `${method} ${path.replace('/v1/', '')}`
    this.calls.push(call)
    const instead = this.fault(call)
    if (instead) return instead
    const answer = this.#answer(call, JSON.parse(body ?? '{}'), headers['x-vault-token'] ?? '')
    this.after(call)
    return answer
  }

  #answer(call: string, body: Record<string, unknown>, token: string): NodeAnswer {
    switch (call) {
      case 'GET sys/seal-status':
        return json(200, this.#status())
      case 'GET sys/health':
        return json(!this.initialized ? 501 : this.sealed ? 503 : 200, {})
      case 'PUT sys/init': {
        if (this.initialized) return no(400, 'Vault is already initialized')
        this.init(Number(body.secret_shares), Number(body.secret_threshold))
        const [keys, keys_base64] = (['hex', 'base64'] as const).map((form) =>
          this.keys.map((key) => key.toString(form)),
        )
        return json(200, { keys, keys_base64, root_token: this.root })
      }
      case 'PUT sys/unseal':
        return this.#unseal(body)
      case 'GET auth/token/lookup-self':
        if (this.sealed) return no(503, 'Vault is sealed')
        if (token === 'hvs.of-me') return json(200, { data: { policies: ['default'] } })
        return token === this.root ? json(200, { data: { policies: ['root'] } }) : no(403, 'permission denied')
      default:
        return no(404, 'no handler for route')
    }
  }

  #unseal({ key, reset }: Record<string, unknown>): NodeAnswer {
    if (reset === true) this.#given.clear()
    else if (this.sealed) this.#given.add(String(key))
    if (this.#given.size >= this.threshold && reset !== true && this.sealed) {
      const known = this.keys.flatMap((one) => [one.toString('base64'), one.toString('hex')])
      const good = [...this.#given].every((one) => known.includes(one))
      this.#given.clear()
      if (!good) return no(400, `invalid key: ${String(key)}: message authentication failed`)
      this.sealed = false
    }
    return json(200, this.#status())
  }

  #status() {
    const { initialized, sealed, type, threshold: t, progress } = this
    return { type, initialized, sealed, t, n: this.keys.length, progress }
  }
}

/** A cluster whose node reaches that Vault. */
export function clusterWith(vault: FakeVault, ...namespaces: readonly string[]): FakeCluster {
  const cluster = new FakeCluster(...namespaces)
  cluster.answer = vault.answer
  return cluster
}

export const refused = (): never => {
  throw new LinkError('Connection refused')
}

export const json = (status: number, body: object): NodeAnswer => ({ status, headers: {}, body: JSON.stringify(body) })
const no = (status: number, ...errors: readonly string[]) => json(status, { errors })
