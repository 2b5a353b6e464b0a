// What Helm's error messages mean: a table from the words in a job's log, or in a release's record, to cause and remedy.

export interface HelmError {
  /** One line, or a few: the cause. */
  readonly why: string
  readonly hint?: string
  /** A repetition without a change ends the same way. */
  readonly final: boolean
  /** Something that the chart runs did not come up: its pods say more. */
  readonly pods?: boolean
  /** Where in the values: `crds.enabeld`; of an error that is about the values. */
  readonly values?: readonly string[]
}

interface Row {
  readonly says: RegExp
  readonly final: boolean
  /** `$1` and so on are what the expression caught; left out: Helm's own words. */
  readonly why?: string
  readonly hint?: string
  readonly pods?: boolean
}

const WEBHOOK = 'kubectl get pods -A shows whether its pod runs; it answers a moment after it is ready'
const REACH = 'check the address, and that the node can reach it'

/** The first that fits speaks. */
const TABLE: readonly Row[] = [
  {
    says: /chart "?([^\s"]+)"? (?:matching|version) "?([^\s"]*)"? not found in (\S+)/,
    final: true,
    why: 'the chart repository $3 has no $1 in version $2',
    hint: 'choose a version that it has',
  },
  {
    says: /(?:no chart (?:version|name) found for|could not locate a version matching provided version string|Unable to locate any tags in provided repository:?) ?(.*)/,
    final: true,
    why: 'the chart repository has no such chart, or no such version of it: $&',
    hint: 'choose a version that it has',
  },
  {
    says: /(?:FetchReference|failed to (?:resolve|fetch|download|authorize|copy)|failed to perform).*?([\w.:/-]+\/[\w./-]+:[\w.+-]+).*: not found/,
    final: true,
    why: 'the OCI registry has no $1',
    hint: 'choose a version that it has',
  },
  {
    says: /(?:\b40[13]\b|unauthorized|authentication required|access denied).*/i,
    final: true,
    why: 'the chart repository lets nobody in without a login, or has no such chart: $&',
    hint: 'check the address and the name of the chart; a mirror that needs no login can be set',
  },
  {
    says: /chart requires kubeVersion: (.+?) which is incompatible with Kubernetes (\S+)/,
    final: true,
    why: 'this version of the chart needs Kubernetes $1; the cluster has $2',
    hint: 'choose another version of the chart, or upgrade k3s',
  },
  {
    says: /cannot re-use a name that is still in use/,
    final: true,
    why: 'a release of that name exists already, made by somebody else: $&',
    hint: 'helm list -A shows it; helm uninstall it, or name this one differently',
  },
  {
    says: /[Uu]nable to continue with \w+: (\S+) "([^"]+)" in namespace "[^"]*" exists and cannot be imported .*release-name" must equal "[^"]*": current value is "([^"]*)".*release-namespace" must equal "[^"]*": current value is "([^"]*)"/,
    final: true,
    why: '$1 $2 belongs to the Helm release $3 in namespace $4 already',
    hint: 'the same component is installed there: helm uninstall $3 -n $4 (a chart may take its CRDs along, and all objects of their kinds), or switch it off here',
  },
  {
    says: /[Uu]nable to continue with \w+: (\S+) "([^"]+)" in namespace "([^"]*)" exists and cannot be imported .*release-name" must equal "[^"]*": current value is "([^"]*)"/,
    final: true,
    why: '$1 $2 belongs to the Helm release $4 in namespace $3 already',
    hint: 'the same component is installed twice: helm uninstall $4 -n $3, or switch it off here',
  },
  {
    says: /[Uu]nable to continue with \w+: (\S+) "([^"]+)" in namespace "([^"]*)" exists and cannot be imported/,
    final: true,
    why: '$1 $2 exists already, and was not made by Helm (namespace "$3")',
    hint: 'somebody has installed it with kubectl or GitOps: remove it there, or let that own it, and turn the addon off here',
  },
  {
    says: /object (\S+) \S+ Kind=(\w+): .*?is invalid: ([\w.[\]-]+): .*field is immutable/,
    final: true,
    why: 'what the chart changes cannot be changed once it is there: $3 of $2 $1',
    hint: 'delete that one object (its pods stop for a moment), Helm makes it anew',
  },
  {
    says: /field is immutable|updates to statefulset spec for fields other than/,
    final: true,
    why: 'what the chart changes cannot be changed once it is there: $message',
    hint: 'delete that one object (its pods stop for a moment), Helm makes it anew',
  },
  {
    says: /conflicts? with "([^"]+)"(?: using [^\s:]+)?:?\s*([\s\S]*)/,
    final: true,
    why: '$1 owns what the chart sets: $2',
    hint: 'the other one gives it up, or the value is set to what it wants; kubectl get -o yaml --show-managed-fields shows who writes what',
  },
  {
    says: /failed calling webhook "([^"]+)": (.*)/,
    final: false,
    why: 'the webhook $1 does not answer: $2',
    hint: WEBHOOK,
  },
  {
    says: /admission webhook "([^"]+)" denied the request: (.*)/,
    final: true,
    why: 'the admission webhook $1 refuses it: $2',
  },
  {
    says: /no matches for kind "([^"]+)" in version "([^"]+)"/,
    final: true,
    why: 'the cluster does not know the kind $1 of $2: its CRD is missing, or of another version',
    hint: 'install what brings that CRD first, or switch off in the values what needs it',
  },
  {
    says: /namespaces? "?([^\s"]+)"?.*because it is being terminated/,
    final: false,
    why: 'the namespace $1 is being deleted',
    hint: 'kubectl get namespace $1 -o yaml says what it waits for',
  },
  {
    says: /another operation \(install\/upgrade\/rollback\) is in progress/,
    final: false,
    why: 'an earlier Helm was ended in the middle and has left its mark on the release',
    hint: 'what is left over is cleared away by the next run',
  },
  {
    says: /x509: .*/,
    final: false,
    why: 'the TLS certificate of the chart repository is not trusted: $&',
    hint: 'give the CA of the chart source',
  },
  {
    says: /(?:looks like "([^"]+)" is not a valid chart repository or cannot be reached: )(.*)/,
    final: false,
    why: 'the chart repository $1 cannot be reached: $2',
    hint: REACH,
  },
  {
    says: /.*(?:dial tcp|connection refused|no such host|i\/o timeout|network is unreachable|TLS handshake timeout|unexpected EOF|\b50[0234]\b).*/,
    final: false,
    why: 'the chart repository cannot be reached: $&',
    hint: REACH,
  },
  {
    says: /failed (?:pre|post)-(?:install|upgrade)[^:]*: (?:resource (\S+)|.*)([\s\S]*)/,
    final: true,
    why: "the chart's own check did not pass in time: $&",
    pods: true,
  },
  {
    says: /context deadline exceeded|timed out waiting for the condition/,
    final: true,
    why: 'it took longer than the timeout of the HelmChart: $&',
    pods: true,
  },
  { says: /.* (?:is invalid|is forbidden|Unsupported value|unknown field|strict decoding error).*/, final: true },
  {
    says: /(?:YAML|JSON) parse error.*|error (?:parsing|converting|unmarshaling).*|execution error at .*|template: .*/,
    final: true,
  },
]

/** helm-controller's job that found nothing to do, or nothing that it may do: not the reason of anything. */
const NOISE = /does not match expected revision|waiting for operator intervention|^\+ |release: not found/
const SCHEMA = /values don't meet the specifications of the schema/

/** `text`: a job's log, or the description in a release's record. null: it holds no error. */
export function helmError(text: string): HelmError | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !NOISE.test(line))
  const schema = lines.findIndex((line) => SCHEMA.test(line))
  if (schema !== -1) return schemaError(lines.slice(schema + 1))
  const from = lines.findLastIndex((line) => /^Error: |\bfailed: |^(?:Release|Upgrade) "/.test(line))
  if (from === -1) return null
  const message = lines
    .slice(from, from + 6)
    .join('\n')
    .replace(/^Error: /, '')
    .replace(/^(?:INSTALLATION|UPGRADE) FAILED: /, '')
    .replace(/^(?:Release|Upgrade) "[^"]*" failed: /, '')
    .trim()
  for (const { says, final, why = '$message', hint, pods = false } of TABLE) {
    const found = says.exec(message)
    if (found === null) continue
    const part = (name: string) =>
      name === '&' ? found[0] : name === 'message' ? message : (found[Number(name)] ?? '')
    const fill = (words: string) => words.replace(/\$(\d|&|message)/g, (_, name: string) => part(name)).trim()
    return { why: fill(why), final, pods, ...(hint === undefined ? {} : { hint: fill(hint) }) }
  }
  return { why: message, final: false }
}

/** Helm 4: `- at '/crds': additional properties 'enabeld' not allowed`; Helm 3: `- crds: Additional property enabeld is not allowed`. */
function schemaError(lines: readonly string[]): HelmError {
  const told = lines.filter((line) => line.startsWith('- ')).map((line) => line.slice(2))
  const values = told.flatMap((line) => {
    const [, pointer, path, rest = ''] = /^(?:at '([^']*)'|([\w.()]+)): (.*)$/.exec(line) ?? []
    const at = (pointer?.split('/').filter(Boolean).join('.') ?? path ?? '').replace(/^\(root\)$/, '')
    const names = /additional propert(?:ies|y) (.+?)(?: is)? not allowed/i.exec(rest)?.[1]
    const keys = names?.split(', ').map((name) => name.replace(/^'|'$/g, '')) ?? ['']
    return keys.map((key) => [at, key].filter(Boolean).join('.')).filter(Boolean)
  })
  return {
    why: `the chart refuses its values: ${(told.length > 0 ? told : lines.slice(0, 4)).join('\n')}`,
    final: true,
    values,
  }
}
