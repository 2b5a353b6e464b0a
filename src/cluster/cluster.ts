// What is asked of a cluster's API: the one interface between the kinds of cluster resources and the wire.

import type { Live, Manifest, Ref } from './object.ts'

/** Objects of one kind; `namespace` left out: of all namespaces. */
export interface Listing {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string | undefined
  /** As kubectl's --selector: `app=caddy,tier!=web`. */
  readonly labels?: string
  /** As kubectl's --field-selector. */
  readonly fields?: string
  /** Only apiVersion, kind and metadata of each: a release's Secret weighs hundreds of KB, its labels nothing. */
  readonly metadataOnly?: boolean
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: Live
}

/**
 * Every call rejects with ApiError for what the API answers, with LinkError (src/host/transport.ts) for a link that broke, and
 * with the signal's reason. A kind or a namespace that does not exist is an absent object, or an empty list.
 */
export interface Cluster {
  get(ref: Ref): Promise<Live | null>
  list(listing: Listing): Promise<readonly Live[]>
  /**
   * Strict server-side apply (fieldValidation=Strict, not forced) as this program's field manager; `dryRun` answers what it
   * would become and changes nothing. A conflict is an ApiError of 409 with the managers in its causes.
   */
  apply(manifest: Manifest, how?: { readonly dryRun?: boolean; readonly force?: boolean }): Promise<Live>
  /** Plain create or JSON merge patch, for what is not server-side apply: a dry-run proof, a condition of a status. */
  create(manifest: Manifest, how?: { readonly dryRun?: boolean }): Promise<Live>
  patch(ref: Ref, merge: object, how?: { readonly subresource?: 'status'; readonly manager?: string }): Promise<Live>
  /**
   * An absent object is fine. `uid`: only that very object. `owned` first: it goes once what it owns is gone, otherwise that
   * goes in the background.
   */
  delete(ref: Ref, how?: { readonly uid?: string; readonly owned?: 'first' }): Promise<void>
  /** Text of a container's log; null: there is none (yet). */
  logs(
    pod: Pick<Ref, 'namespace' | 'name'>,
    how?: { readonly container?: string; readonly lines?: number },
  ): Promise<string | null>
  /**
   * What is there now as ADDED, then what happens to it, until the signal fires; goes on by itself when the API ends the
   * stream, and begins anew (ADDED again) when its history is gone. A kind that does not exist is waited for.
   */
  watch(listing: Listing, signal: AbortSignal): AsyncIterable<WatchEvent>
  /** An HTTP request from the node itself; the answer's body is cut at 64 KiB. Rejects when nothing answers. */
  http(request: NodeRequest): Promise<NodeAnswer>
  /** The certificate that a TLS server shows for a name, asked from the node; it is not verified. Rejects when there is none. */
  handshake(request: HandshakeRequest): Promise<ServedCertificate>
  /** Whether the API serves this kind. */
  serves(kind: Pick<Ref, 'apiVersion' | 'kind'>): Promise<boolean>
  /** `v1.36.5+k3s1` */
  readonly version: string
}

export interface NodeRequest {
  readonly host: string
  /** Where to go in place of `host`, whose name the node's resolver does not know. */
  readonly address?: string
  readonly port: number
  /** https; `ca` is PEM, in place of the authorities that Node.js trusts. */
  readonly tls?: { readonly ca?: string | undefined }
  readonly method?: 'GET' | 'PUT'
  readonly path: string
  /** Secrets belong in here or in the body: neither is told to anybody. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Of all of it: the way there, the handshake, the answer. */
  readonly timeoutMs: number
}

export interface HandshakeRequest {
  /** As in SNI. */
  readonly servername: string
  readonly address: string
  readonly port: number
  readonly timeoutMs: number
}

/** The leaf of what a TLS server shows. */
export interface ServedCertificate {
  /** Of SHA-256, as `X509Certificate.fingerprint256` has it. */
  readonly fingerprint: string
  readonly notAfter: Date
}

export interface NodeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the API answered instead of an object: its Status, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status code. */
  readonly code: number
  /** `Conflict`, `NotFound`, `Invalid`, `Forbidden`, `InternalError`; empty where the answer was no Status. */
  readonly reason: string
  readonly causes: readonly { readonly reason: string; readonly message: string; readonly field: string }[]
  /** The Status' details.retryAfterSeconds or the header. */
  readonly retryAfterSeconds: number | null

  constructor(status: Pick<ApiError, 'code' | 'reason' | 'message' | 'causes' | 'retryAfterSeconds'>) {
    super(status.message)
    this.code = status.code
    this.reason = status.reason
    this.causes = status.causes
    this.retryAfterSeconds = status.retryAfterSeconds
  }
}

/** The field manager: its prefix lets Flux's kustomize-controller absorb our fields when it takes an object over. */
export const FIELD_MANAGER = 'kubectl-k3s-platform'
