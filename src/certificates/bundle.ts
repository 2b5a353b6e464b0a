// The live objects around one Certificate, parsed once and tolerantly: what is not understood is left out, never an error.

import { z } from 'zod'
import { type Chain, type Pair, readChain, readPair } from './pair.ts'

const text = z.string().optional().catch(undefined)
const number = z.number().optional().catch(undefined)
const flag = z.boolean().optional().catch(undefined)
const texts = z.array(z.string()).catch([])
const strings = z.record(z.string(), z.string()).catch({})

const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: text,
  message: text,
  lastTransitionTime: text,
  observedGeneration: number,
})
export type Condition = z.output<typeof condition>
const conditions = z.array(condition).catch([])

const metadata = z.looseObject({
  name: z.string(),
  namespace: text,
  generation: number,
  creationTimestamp: text,
  annotations: strings,
  labels: strings,
  ownerReferences: z.array(z.looseObject({ kind: z.string(), name: z.string() })).catch([]),
})
const issuerRef = z.looseObject({ name: z.string(), kind: z.string().default('Issuer'), group: text })

/** The DNS-01 provider's settings name Secrets wherever they like: `{ cloudflare: { apiTokenSecretRef: { name, key } } }`. */
const solver = z.looseObject({ dns01: z.record(z.string(), z.unknown()).optional().catch(undefined) })

export const certificate = z.looseObject({
  metadata,
  spec: z.looseObject({
    secretName: z.string(),
    commonName: text,
    dnsNames: texts,
    ipAddresses: texts,
    uris: texts,
    emailAddresses: texts,
    issuerRef,
    isCA: flag,
    duration: text,
    renewBefore: text,
    renewBeforePercentage: number,
    renewal: z.looseObject({ policy: text }).optional().catch(undefined),
    usages: texts,
    privateKey: z
      .looseObject({ rotationPolicy: text, algorithm: text, size: number, encoding: text })
      .optional()
      .catch(undefined),
  }),
  status: z.looseObject({
    conditions,
    notBefore: text,
    notAfter: text,
    renewalTime: text,
    lastFailureTime: text,
    failedIssuanceAttempts: number,
    revision: number,
  }),
})
export type Certificate = z.output<typeof certificate>

export const issuer = z.looseObject({
  kind: z.string(),
  metadata,
  spec: z.looseObject({
    acme: z
      .looseObject({ server: text, profile: text, email: text, solvers: z.array(solver).catch([]) })
      .optional()
      .catch(undefined),
    selfSigned: z.looseObject({}).optional().catch(undefined),
    ca: z.looseObject({}).optional().catch(undefined),
    vault: z.looseObject({ server: text }).optional().catch(undefined),
    venafi: z.looseObject({}).optional().catch(undefined),
  }),
  status: z.looseObject({ conditions }),
})
export type Issuer = z.output<typeof issuer>

export const request = z.looseObject({
  metadata,
  spec: z.looseObject({ usages: texts }),
  status: z.looseObject({ conditions, failureTime: text }),
})
export const order = z.looseObject({
  metadata,
  spec: z.looseObject({ dnsNames: texts, ipAddresses: texts }),
  status: z.looseObject({ state: text, reason: text, url: text }),
})
const challenge = z.looseObject({
  metadata,
  spec: z.looseObject({
    dnsName: z.string(),
    type: z.string(),
    wildcard: flag,
    token: text,
    url: text,
    solver: solver.optional().catch(undefined),
  }),
  status: z.looseObject({ state: text, reason: text, presented: flag, processing: flag }),
})
const ingress = z.looseObject({
  metadata,
  spec: z.looseObject({
    ingressClassName: text,
    rules: z
      .array(
        z.looseObject({
          host: text,
          http: z
            .looseObject({
              paths: z
                .array(
                  z.looseObject({
                    path: text,
                    backend: z
                      .looseObject({
                        service: z
                          .looseObject({ name: text, port: z.looseObject({ number, name: text }).optional() })
                          .optional(),
                      })
                      .optional()
                      .catch(undefined),
                  }),
                )
                .catch([]),
            })
            .optional()
            .catch(undefined),
        }),
      )
      .catch([]),
  }),
})
const portOf = z.union([z.number(), z.string()]).optional().catch(undefined)
const service = z.looseObject({
  metadata,
  spec: z.looseObject({
    selector: strings,
    ports: z.array(z.looseObject({ port: number, targetPort: portOf })).catch([]),
  }),
})
const pod = z.looseObject({
  metadata,
  spec: z.looseObject({
    containers: z
      .array(z.looseObject({ ports: z.array(z.looseObject({ containerPort: number, name: text })).catch([]) }))
      .catch([]),
  }),
  status: z.looseObject({
    phase: text,
    conditions,
    containerStatuses: z
      .array(
        z.looseObject({
          state: z.looseObject({ waiting: z.looseObject({ reason: text, message: text }).optional() }).optional(),
        }),
      )
      .catch([]),
  }),
})
const namespace = z.looseObject({ metadata, status: z.looseObject({ phase: text }) })
const event = z.looseObject({
  involvedObject: z.looseObject({ kind: z.string(), name: z.string() }),
  reason: text,
  message: text,
  lastTimestamp: text,
})
const lease = z.looseObject({
  metadata,
  spec: z.looseObject({ renewTime: text, leaseDurationSeconds: number }),
})
/** Private: its data do not leave this file. */
const rawSecret = z.looseObject({ metadata, type: text, data: strings })

export type CertificateRequest = z.output<typeof request>
export type Order = z.output<typeof order>
export type Challenge = z.output<typeof challenge>
export type Ingress = z.output<typeof ingress>
export type Pod = z.output<typeof pod>
export type Service = z.output<typeof service>
type Event = z.output<typeof event>

/** What is known of the target Secret; its key is compared and forgotten. */
export interface Secret {
  readonly name: string
  readonly type: string
  /** The names of its entries that are not empty. */
  readonly keys: readonly string[]
  /** What cert-manager noted: `cert-manager.io/issuer-name`, `cert-manager.io/certificate-name`. */
  readonly annotations: Readonly<Record<string, string>>
  /** Left out when there is no readable certificate in it. */
  readonly pair?: Pair
  /** Of what is in `tls.crt`; costs some ms, so only on demand. */
  readonly chain: () => Chain | undefined
}

/** What came back from GET http://NAME/.well-known/acme-challenge/TOKEN, not following redirects. */
const probe = z.object({ status: number, location: text, server: text, error: text })

const extras = z.object({
  probe: probe.optional(),
  here: probe.optional(),
  addresses: z.object({ name: texts, node: texts }).optional(),
  refusal: text,
})

/** What a caller hands over: `objects` is every object that came of `asks`, as the API's JSON, in any order. */
export interface BundleInput {
  readonly now: Date
  readonly namespace: string
  readonly name: string
  readonly objects: readonly unknown[]
  /** GET of the open HTTP-01 challenge's URL from the node; not following redirects. */
  readonly probe?: unknown
  /** The same GET from where people are. */
  readonly here?: unknown
  /** What the Certificate's name resolves to, and the addresses that the node is reached at. */
  readonly addresses?: { readonly name: readonly string[]; readonly node: readonly string[] } | undefined
  /** What the API said when the Certificate was last written and refused. */
  readonly refusal?: string | undefined
}

/** One Certificate and what belongs to its namespace; of other namespaces nothing but Ingresses. */
export interface Bundle extends z.output<typeof extras> {
  readonly now: Date
  readonly namespace: string
  readonly name: string
  readonly certificates: readonly Certificate[]
  readonly issuers: readonly Issuer[]
  readonly requests: readonly CertificateRequest[]
  readonly orders: readonly Order[]
  readonly challenges: readonly Challenge[]
  /** Those of challenges. */
  readonly ingresses: readonly Ingress[]
  /** All others, of every namespace. */
  readonly routes: readonly Ingress[]
  readonly services: readonly Service[]
  readonly pods: readonly Pod[]
  readonly secrets: readonly Secret[]
  readonly events: readonly Event[]
  readonly namespaces: readonly z.output<typeof namespace>[]
  readonly leases: readonly z.output<typeof lease>[]
}

const outer = z.looseObject({ kind: z.string(), metadata: z.looseObject({ namespace: text }) })

/** A new object has no status yet, and not every kind has a spec. */
export const whole = (live: unknown): unknown => {
  const { spec, status, ...rest } = Object(live)
  return { ...rest, spec: spec ?? {}, status: status ?? {} }
}

const isSolver = ({ metadata: { ownerReferences } }: Ingress) =>
  ownerReferences.some(({ kind }) => kind === 'Challenge')

/** Parses at the edge: objects of other kinds, other namespaces or unexpected shape are left out. */
export function readBundle(input: BundleInput): Bundle {
  const mine = (kind: string, o: unknown) => {
    const { data } = outer.safeParse(o)
    return data?.kind === kind && (kind === 'Lease' || [undefined, input.namespace].includes(data.metadata.namespace))
  }
  const all = <T extends z.ZodType>(kind: string, shape: T): z.output<T>[] =>
    input.objects.filter((o) => mine(kind, o)).flatMap((o) => shape.safeParse(whole(o)).data ?? [])
  return {
    ...extras.parse(input),
    now: input.now,
    namespace: input.namespace,
    name: input.name,
    certificates: all('Certificate', certificate),
    issuers: [...all('ClusterIssuer', issuer), ...all('Issuer', issuer)],
    requests: all('CertificateRequest', request),
    orders: all('Order', order),
    challenges: all('Challenge', challenge),
    ingresses: all('Ingress', ingress).filter(isSolver),
    routes: input.objects.flatMap((one) => {
      const { data } = ingress.safeParse(whole(one))
      return outer.safeParse(one).data?.kind === 'Ingress' && data && !isSolver(data) ? [data] : []
    }),
    services: all('Service', service),
    pods: all('Pod', pod),
    secrets: all('Secret', rawSecret).map(({ metadata: { name, annotations }, type = 'Opaque', data }) => {
      const decoded = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8')
      const [certificates, ca] = [decoded('tls.crt'), decoded('ca.crt')]
      const pair = readPair(certificates, decoded('tls.key'))
      const keys = Object.keys(data).filter((key) => data[key] !== '')
      return { name, type, annotations, keys, ...(pair && { pair }), chain: () => readChain(certificates, ca) }
    }),
    events: all('Event', event),
    namespaces: all('Namespace', namespace),
    leases: all('Lease', lease),
  }
}
