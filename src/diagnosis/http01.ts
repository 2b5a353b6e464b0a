// Why cert-manager's own check of an HTTP-01 challenge does not pass.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

const OPEN =
  'open port 80 in the firewall; if the router does not support hairpin NAT, make the cluster resolve {name} to the node itself'

/** Words of the node's own probe and of cert-manager. `{server}`: port 80 of the DNS name `{name}`, which is also `{host}`. */
export const HTTP01 = {
  unresolved: {
    ...SHARED.unresolved,
    hint: 'create its A record: kubectl -n platform logs deploy/external-dns (external-dns sets records from Ingress hosts); for nodes without DNS yet: k3s_platform_certificates_wait: false',
  },
  wrongKey: {
    name: 'wrong-key',
    pattern: /did not get expected response/,
    cause: 'another program answers the challenge: the key is not the one of this challenge',
    hint: 'look for a second cert-manager or an ACME client that answers for {name} (Caddy itself, certbot), or for a cache before the node',
    example: "did not get expected response when querying endpoint, expected 'x.y' but got: z",
  },
  refused: {
    ...SHARED.refused,
    hint: 'k3s-platform apply -t caddy; check that Caddy has the port: ss -ltnp sport = :80',
  },
  unroutable: { ...SHARED.unroutable, hint: OPEN },
  timeout: { ...SHARED.timeout, hint: OPEN },
  gateway: {
    name: 'gateway',
    pattern: /^(?:50\d)|wrong status code '(?:50\d)'/,
    cause: 'the ingress does not reach the solver yet',
    hint: "nothing for a minute; then the solver's Pod: kubectl get pods -A -l acme.cert-manager.io/http01-solver=true",
    example: "wrong status code '503', expected '200'",
  },
} as const satisfies Readonly<Record<string, Row>>
