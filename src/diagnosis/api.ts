// Why the Kubernetes API does not take an object.

import type { Row } from './diagnose.ts'

export interface ApiRow extends Row {
  /** `absent`: its kind or its namespace does not exist yet; `later`: it may pass by itself; `refused`: no repetition helps. */
  readonly is: 'absent' | 'later' | 'refused'
  /** Of `later`. */
  readonly until?: string
  /** What is shown of the evidence; left out: the pattern's group `quote`, if it has one. */
  readonly quote?: 'message' | 'schema' | 'causes'
}

const NO_PROGRAM =
  'install the program of the webhook, or remove what it left behind: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations'

/** A webhook that gives no answer, and how the API names it. */
const webhook = (name: string, said: string, title: string, example: string): ApiRow[] => {
  const row = {
    is: 'later' as const,
    cause: `the webhook ${title} does not answer`,
    until: `once the webhook ${title} answers`,
  }
  const end = '(?:dial tcp \\S+: (?:connect: )?)?(?<quote>[\\s\\S]*)'
  return [
    {
      ...row,
      name: `${name}-not-installed`,
      pattern: new RegExp(`${said}: (?:.*?: )?Post "[^"]*": (?<quote>service "[^"]*" not found[\\s\\S]*)`),
      hint: NO_PROGRAM,
      example: `${example}: Post "https://w.platform.svc:443/v?timeout=10s": service "w" not found`,
    },
    {
      ...row,
      name,
      pattern: new RegExp(`${said}: (?:.*?: )?Post "https://([^./"]+)\\.([^./"]+)\\.svc[:/][^"]*": ${end}`),
      hint: 'find what $2 lacks: kubectl -n $3 get pods,endpointslices',
      example: `${example}: Post "https://w.platform.svc:443/v?timeout=10s": no endpoints available for service "w"`,
    },
    {
      ...row,
      name: `${name}-outside`,
      pattern: new RegExp(`${said}: (?:(?:.*?: )?Post "[^"]*": )?${end}`),
      example: `${example}: Post "https://w.example/v": context deadline exceeded`,
    },
  ]
}

/**
 * Evidence: `HTTP 403 ` and the message of a Status of a Kubernetes 1.36 API server. Values: what the object is (`{kind}`,
 * `{version}`, `{namespace}`), `{unknown}` (`field spec.x`), commands (`{explain}`, `{delete}`), and `causes`, whether the Status has any.
 */
export const API: readonly ApiRow[] = [
  ...webhook(
    'webhook',
    'failed calling webhook ("[^"]+")',
    '$1',
    'HTTP 500 Internal error occurred: failed calling webhook "w.example": failed to call webhook',
  ),
  ...webhook(
    'conversion-webhook',
    'conversion webhook for (.*?) failed',
    'that converts $1',
    'HTTP 500 conversion webhook for external-secrets.io/v1beta1, Kind=ExternalSecret failed',
  ),
  {
    name: 'webhook-denied',
    is: 'refused',
    pattern: /admission webhook "([^"]+)" denied the request(?:: (?<quote>[\s\S]*)| without explanation)/,
    cause: 'the webhook "$1" refuses it',
    example: 'HTTP 403 admission webhook "policy.example" denied the request: limits are missing',
  },
  {
    name: 'policy-denied',
    is: 'refused',
    pattern: /ValidatingAdmissionPolicy '([^']+)' .*?denied request: (?<quote>[\s\S]*)/,
    cause: 'the policy "$1" refuses it',
    example: `HTTP 422 configmaps "x" is forbidden: ValidatingAdmissionPolicy 'no-x' with binding 'no-x' denied request: no`,
  },
  {
    name: 'unknown-field',
    is: 'refused',
    pattern:
      /(?:failed to create typed patch object \(.*?\): [\s\S]*field not declared in schema|strict decoding error: [\s\S]*unknown field )/,
    cause: 'the API does not know the {unknown}',
    quote: 'schema',
    hint: 'correct the name, or check which version of the kind has it: {explain}',
    example:
      'HTTP 500 failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema',
  },
  {
    name: 'wrong-type',
    is: 'refused',
    pattern: /failed to create typed patch object \(.*?\): |strict decoding error: /,
    cause: 'a value has the wrong type',
    quote: 'schema',
    hint: 'see the type that it must have: {explain}',
    example:
      'HTTP 500 failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.replicas: expected numeric, got &value.valueUnstructured{Value:"x"}',
  },
  {
    name: 'too-large',
    is: 'refused',
    pattern: /^HTTP 413 |request is too large|message larger than max/,
    cause: 'the object is too large for the API',
    quote: 'message',
    hint: 'an object may have 1.5 MiB: serve a big chart from a URL instead of sending it along',
    example: 'HTTP 500 etcdserver: request is too large',
  },
  {
    name: 'no-namespace',
    is: 'absent',
    pattern: /^HTTP 404 namespaces "([^"]+)" not found/,
    cause: 'there is no namespace $1',
    hint: 'kubectl create namespace $1, or use another one',
    example: 'HTTP 404 namespaces "nope" not found',
  },
  {
    name: 'no-kind',
    is: 'absent',
    pattern: /^HTTP 404 /,
    cause: 'the API does not know {kind} of {version}',
    hint: 'list the kinds that it knows: kubectl get crd; the addon that installs {kind} must come first',
    example: 'HTTP 404 no matches for kind "Certificate" in version "cert-manager.io/v1"',
  },
  {
    name: 'busy',
    is: 'later',
    until: 'once the API takes it',
    pattern: /^HTTP (?:429|503|504) |^HTTP 409 (?![\s\S]*(?:already exists|UID))|etcdserver: /,
    cause: 'the API is busy',
    quote: 'message',
    example: 'HTTP 429 too many requests, please try again later',
  },
  {
    name: 'immutable',
    is: 'refused',
    when: { causes: 'some' },
    pattern: /^HTTP 422 [\s\S]*(?:immutable|may not be changed)/,
    cause: 'the object is invalid: it changes an immutable field',
    quote: 'causes',
    hint: 'delete the object, which stops what it runs, and run apply again: {delete}',
    example: 'HTTP 422 Deployment.apps "d" is invalid: spec.selector: Invalid value: {}: field is immutable',
  },
  {
    name: 'invalid',
    is: 'refused',
    when: { causes: 'some' },
    pattern: /^HTTP 422 /,
    cause: 'the object is invalid',
    quote: 'causes',
    example: 'HTTP 422 HelmChart.helm.cattle.io "x" is invalid: spec.failurePolicy: Unsupported value: "nope"',
  },
  {
    name: 'quota',
    is: 'refused',
    pattern: /^HTTP 403 [\s\S]*exceeded quota/,
    cause: 'the object exceeds a quota of its namespace',
    quote: 'message',
    hint: 'kubectl -n {namespace} describe resourcequota',
    example: 'HTTP 403 configmaps "x" is forbidden: exceeded quota: few, requested: count/configmaps=1',
  },
  {
    name: 'forbidden',
    is: 'refused',
    pattern: /^HTTP 40[13] /,
    cause: 'the API forbids it',
    quote: 'message',
    example: 'HTTP 401 Unauthorized',
  },
  {
    name: 'other',
    is: 'refused',
    pattern: /^/,
    cause: 'the API refuses it',
    quote: 'message',
    example: 'HTTP 500 failed to convert new object (/s2; /v1, Kind=Secret) to proper version',
  },
]
