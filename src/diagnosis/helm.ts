// Why Helm could not install or upgrade a chart.

import type { Row } from './diagnose.ts'
import { quoting, SHARED } from './shared.ts'

export interface HelmRow extends Row {
  /** A repetition without a change ends the same way. */
  readonly final: boolean
  /** Something that the chart runs did not come up: its pods say more. */
  readonly pods?: true
}

const VERSION = 'choose a version that it has'
const REACH = 'check the address, and that the node can reach it'
const FOREIGN = /[Uu]nable to continue with \w+: (\S+) "([^"]+)" in namespace "([^"]*)" exists and cannot be imported/
  .source
const OWNER = / .*release-name" must equal "[^"]*": current value is "([^"]*)"/.source
const OWNER_NAMESPACE = /.*release-namespace" must equal "[^"]*": current value is "([^"]*)"/.source

/**
 * Words of Helm 3 and 4, of its OCI client and of the API. `{message}` is all of Helm's error, `{server}` and `{host}` are of
 * the chart repository.
 */
export const HELM: readonly HelmRow[] = [
  {
    name: 'no-version',
    pattern: /chart "?([^\s"]+)"? (?:matching|version) "?([^\s"]*)"? not found in (\S+)/,
    final: true,
    cause: 'the chart repository $3 has no $1 in version $2',
    hint: VERSION,
    example: 'chart "tiny" version "9.9.9" not found in http://10.88.0.1:8777 repository',
  },
  {
    name: 'no-chart',
    pattern:
      /(?:no chart (?:version|name) found for|could not locate a version matching provided version string|Unable to locate any tags in provided repository:?) ?(.*)/,
    final: true,
    cause: 'the chart repository has no such chart, or no such version of it: $0',
    hint: VERSION,
    example: 'no chart name found for tiny',
  },
  {
    name: 'no-reference',
    pattern:
      /(?:FetchReference|failed to (?:resolve|fetch|download|authorize|copy)|failed to perform).*?([\w.:/-]+\/[\w./-]+:[\w.+-]+).*: not found/,
    final: true,
    cause: 'the OCI registry has no $1',
    hint: VERSION,
    example: 'failed to perform "FetchReference" on source: 10.88.0.1:8777/charts/tiny:1.0.0: not found',
  },
  {
    name: 'login-required',
    pattern: /(?:(?<![\w:./-])40[13]\b|unauthorized|authentication required|access denied).*/i,
    final: true,
    cause: 'the chart repository requires authentication, or has no such chart: $0',
    hint: 'check the address and the name of the chart, or set a mirror that needs no login',
    example:
      'GET "https://ghcr.io/v2/x/y/manifests/1.0.0": response status code 401: unauthorized: authentication required',
  },
  {
    name: 'kube-version',
    pattern: /chart requires kubeVersion: (.+?) which is incompatible with Kubernetes (\S+)/,
    final: true,
    cause: 'this version of the chart needs Kubernetes $1; the cluster has $2',
    hint: 'choose another version of the chart, or upgrade k3s',
    example: 'chart requires kubeVersion: < 1.20.0 which is incompatible with Kubernetes v1.36.5+k3s1',
  },
  {
    name: 'name-in-use',
    pattern: /cannot re-use a name that is still in use/,
    final: true,
    cause: 'a release of that name already exists, and this addon does not own it: $0',
    hint: 'find it with helm list -A, and uninstall it with helm uninstall, or give this one another name',
    example: 'cannot re-use a name that is still in use',
  },
  {
    name: 'owned-elsewhere',
    pattern: new RegExp(`${FOREIGN}${OWNER}${OWNER_NAMESPACE}`),
    final: true,
    cause: '$1 $2 already belongs to the Helm release $4 in namespace $5',
    hint: 'the same component is installed there: helm uninstall $4 -n $5 (a chart may delete its CRDs, and with them all objects of their kinds), or turn the addon off here',
    example:
      'unable to continue with install: CustomResourceDefinition "certificates.cert-manager.io" in namespace "" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key "meta.helm.sh/release-name" must equal "cert-manager": current value is "cm"; annotation validation error: key "meta.helm.sh/release-namespace" must equal "cert-manager": current value is "security"',
  },
  {
    name: 'owned-here',
    pattern: new RegExp(`${FOREIGN}${OWNER}`),
    final: true,
    cause: '$1 $2 already belongs to the Helm release $4 in namespace $3',
    hint: 'the same component is installed twice: helm uninstall $4 -n $3, or turn the addon off here',
    example:
      'unable to continue with install: Deployment "tiny" in namespace "t1" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key "meta.helm.sh/release-name" must equal "r4": current value is "t1"',
  },
  {
    name: 'not-of-helm',
    pattern: new RegExp(FOREIGN),
    final: true,
    cause: '$1 $2 already exists, and Helm did not create it (namespace "$3")',
    hint: 'it was installed with kubectl or by GitOps: delete it there, or turn the addon off here',
    example:
      'unable to continue with install: Deployment "tiny" in namespace "r5" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"',
  },
  {
    name: 'immutable-field',
    pattern: /object (\S+) \S+ Kind=(\w+): .*?is invalid: ([\w.[\]-]+): .*field is immutable/,
    final: true,
    cause: 'the chart changes an immutable field: $3 of $2 $1',
    hint: 'delete that object (its pods stop for a moment): Helm recreates it',
    example:
      'server-side apply failed for object t2/tiny apps/v1, Kind=Deployment: Deployment.apps "tiny" is invalid: spec.selector: Invalid value: {}: field is immutable',
  },
  {
    name: 'immutable',
    pattern: /field is immutable|updates to statefulset spec for fields other than/,
    final: true,
    cause: 'the chart changes an immutable field: {message}',
    hint: 'delete that object (its pods stop for a moment): Helm recreates it',
    example:
      'cannot patch "x-job" with kind Job: Job.batch "x-job" is invalid: spec.template: Invalid value: {}: field is immutable',
  },
  {
    name: 'conflict',
    pattern: /conflicts? with "([^"]+)"(?: using [^\s:]+)?:?\s*([\s\S]*)/,
    final: true,
    cause: '$1 owns what the chart sets: $2',
    hint: 'remove the field from the other manager, or set the value to what it wants; kubectl get -o yaml --show-managed-fields shows who owns which field',
    example: 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas',
  },
  {
    name: 'webhook',
    pattern: /failed calling webhook "([^"]+)": (.*)/,
    final: false,
    cause: 'the webhook $1 does not answer: $2',
    hint: 'check that its pod runs: kubectl get pods -A; it answers a moment after it is ready',
    example:
      'failed calling webhook "webhook.cert-manager.io": failed to call webhook: Post "https://cert-manager-webhook.cert-manager.svc:443/validate?timeout=30s": no endpoints available for service "cert-manager-webhook"',
  },
  {
    name: 'webhook-denied',
    pattern: /admission webhook "([^"]+)" denied the request: (.*)/,
    final: true,
    cause: 'the admission webhook $1 refuses it: $2',
    example: 'failed to create resource: admission webhook "policy.example" denied the request: limits are missing',
  },
  {
    name: 'kind-unknown',
    pattern: /no matches for kind "([^"]+)" in version "([^"]+)"/,
    final: true,
    cause: 'the cluster does not know the kind $1 of $2: its CRD is missing, or has another version',
    hint: 'install what brings that CRD first, or turn off in the values what needs it (ServiceMonitor: k3s_platform_service_monitors)',
    example: 'no matches for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"',
  },
  {
    name: 'namespace-terminating',
    pattern: /namespaces? "?([^\s"]+)"?.*because it is being terminated/,
    final: false,
    cause: 'the namespace $1 is being deleted',
    hint: 'see what it waits for: kubectl get namespace $1 -o yaml',
    example: 'unable to create new content in namespace tiny because it is being terminated',
  },
  {
    name: 'interrupted',
    pattern: /another operation \(install\/upgrade\/rollback\) is in progress/,
    final: false,
    cause: 'an earlier Helm was interrupted and left the release in a pending state',
    hint: 'let the next run remove what is left',
    example: 'another operation (install/upgrade/rollback) is in progress',
  },
  { ...quoting(SHARED.names), final: false, hint: 'use an address that the certificate has' },
  { ...quoting(SHARED.expired), final: false },
  {
    ...quoting(SHARED.untrusted),
    final: false,
    hint: 'set the CA of the chart source: k3s_platform_<addon>_chart_ca',
  },
  { ...quoting(SHARED.plaintext), final: false, hint: REACH },
  {
    ...quoting(SHARED.resolver),
    final: false,
    hint: REACH,
    example: 'Get "https://quay.io/v2/": dial tcp: lookup quay.io: server misbehaving',
  },
  { ...quoting(SHARED.unresolved), final: false, hint: REACH },
  { ...quoting(SHARED.refused), final: false, hint: REACH },
  {
    ...quoting(SHARED.unroutable),
    final: false,
    hint: REACH,
    example: 'dial tcp 203.0.113.9:443: connect: network is unreachable',
  },
  { ...quoting(SHARED.failing), final: false, hint: REACH, example: 'unexpected status code 503 Service Unavailable' },
  {
    name: 'not-a-repository',
    pattern: /failed to fetch .*/,
    final: false,
    cause: '{server} cannot be reached: $0',
    hint: REACH,
    example: 'failed to fetch https://charts.example/index.yaml : 404 Not Found',
  },
  {
    name: 'unreachable',
    pattern: /.*(?:dial tcp|i\/o timeout|TLS handshake timeout|unexpected EOF).*/,
    final: false,
    cause: '{server} cannot be reached: $0',
    hint: REACH,
    example: 'Get "https://quay.io/v2/": net/http: TLS handshake timeout',
  },
  {
    name: 'hook',
    pattern: /failed (?:pre|post)-(?:install|upgrade)[^:]*: (?:resource (\S+)|.*)([\s\S]*)/,
    final: true,
    cause: "the chart's own check did not pass in time: $0",
    pods: true,
    example: 'failed post-install: resource Job/t3/tiny-hook not ready. status: InProgress',
  },
  {
    name: 'timeout',
    pattern: /context deadline exceeded|timed out waiting for the condition/,
    final: true,
    cause: 'it took longer than the timeout of the HelmChart: $0',
    pods: true,
    example: 'context deadline exceeded',
  },
  {
    name: 'invalid',
    pattern: /.* (?:is invalid|is forbidden|Unsupported value|unknown field|strict decoding error).*/,
    final: true,
    cause: '{message}',
    example: 'Service "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"',
  },
  {
    name: 'template',
    pattern:
      /(?:YAML|JSON) parse error.*|error (?:parsing|converting|unmarshaling).*|execution error at .*|template: .*/,
    final: true,
    cause: '{message}',
    example: 'execution error at (tiny/templates/d.yaml:3:4): email is required',
  },
]
