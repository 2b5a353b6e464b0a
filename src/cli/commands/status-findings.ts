// What of a host is not well: each finding with the command that fixes or explains it. Pure.

import { z } from 'zod'
import { isHealthy } from '../../certificates/state.ts'
import { fieldsOfAnswer } from '../../cluster/answer.ts'
import { conditions, type Live } from '../../cluster/object.ts'
import { span } from '../../engine/duration.ts'
import type { Problem } from '../../engine/problem.ts'
import type { NodeStatus } from '../../host/node-status.ts'
import type { NodeStatusV1 } from '../../report/status-v1.ts'
import type { ClusterRead, StatusContext } from './status-host.ts'

type Context = Pick<StatusContext, 'host' | 'command' | 'now'>

/** The kubelet deletes images from 85 % on, and evicts pods when less than 5 % is free, as k3s configures it. */
const DISK_PERCENT = 90
/** k3s renews its certificates at a start when they expire within 120 days: whoever restarts it now and then never gets here. */
const CERTIFICATE_DAYS = 30
const DAY_MS = 86_400_000

export function nodeFindings({ disk }: NodeStatusV1, found: NodeStatus | undefined, { host, now }: Context): Problem[] {
  const warn = (what: string, hint: string, why?: string): Problem => ({
    ...{ kind: 'warning', where: host, what },
    ...(why && { why }),
    hint,
  })
  const findings: Problem[] = []
  if (disk !== null && disk.usedPercent >= DISK_PERCENT) {
    const hint = `delete unused images on the host: k3s crictl rmi --prune; to see what is large: du -xh -d 3 ${disk.path}`
    findings.push(warn(`the disk ${disk.path} is ${disk.usedPercent} % full`, hint))
  }
  const late = (found?.certificates ?? []).filter(
    ({ notAfter }) => Date.parse(notAfter) - now.getTime() < CERTIFICATE_DAYS * DAY_MS,
  )
  for (const isAuthority of [false, true]) {
    const [first, ...more] = late
      .filter(({ name }) => isCa(name) === isAuthority)
      .toSorted((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter))
    if (first === undefined) continue
    const left = (Date.parse(first.notAfter) - now.getTime()) / 1000
    const when = left > 0 ? `expires in ${span(left)}` : `expired ${span(-left)} ago`
    const others = more.length === 0 ? undefined : `so do ${more.length} more within ${CERTIFICATE_DAYS} days`
    const hint = isAuthority
      ? 'rotate the authority on the host: k3s certificate rotate-ca --help'
      : 'k3s renews them when it starts; on the host: systemctl restart k3s'
    findings.push(warn(`the certificate ${first.name} of k3s ${when}`, hint, others))
  }
  if (found?.rebootRequired) {
    const packages = found.rebootPackages.join(', ')
    findings.push(warn('a reboot is pending', `reboot the host when it may be down: systemctl reboot`, packages))
  }
  return findings
}

const isCa = (name: string) => /-ca\.crt$/.test(name)

const nodeShape = z.looseObject({
  spec: z.looseObject({ unschedulable: z.boolean().default(false) }).prefault({}),
  status: z.looseObject({ conditions }).prefault({}),
})

/** Of the cluster's nodes the one that is this host, or all where none has its name. */
export function clusterFindings(read: ClusterRead, hostname: string, context: Context): Problem[] {
  const { host, command } = context
  const own = read.nodes.filter(({ metadata }) => metadata.name === hostname.toLowerCase())
  const addons = read.addons.flatMap(({ name, state, why, hint }): Problem[] =>
    state === 'Running'
      ? []
      : [{ kind: 'warning', where: `${host} ${name}`, what: state, ...(why && { why }), ...(hint && { hint }) }],
  )
  const { handoff } = read
  const behind: Problem[] =
    handoff === null || handoff.why === null
      ? []
      : [
          {
            kind: 'warning',
            where: `${host} ${handoff.root}`,
            what: handoff.isReady ? 'The cluster does not follow Git' : 'The tree from Git is not ready',
            why: handoff.why,
            ...(handoff.hint !== null && { hint: handoff.hint }),
          },
        ]
  const certificates = read.certificates
    .filter(({ state }) => !isHealthy(state))
    .map(({ namespace, name, state, expires }): Problem => {
      const hint = command(['certs', 'explain', '-n', namespace, name])
      const why =
        expires === undefined ? undefined : expires.startsWith('in ') ? `expires ${expires}` : `expired ${expires}`
      return {
        kind: 'warning',
        where: `${host} Certificate ${namespace}/${name}`,
        what: state,
        ...(why && { why }),
        hint,
      }
    })
  const nodes = own.length > 0 ? own : read.nodes
  return [...nodes.flatMap((one) => kubernetesFindings(one, host)), ...addons, ...behind, ...certificates]
}

function kubernetesFindings(node: Live, host: string): Problem[] {
  const { spec, status } = fieldsOfAnswer(nodeShape, node)
  const { name } = node.metadata
  const where = `${host} Node ${name}`
  const bad = status.conditions.filter(({ type, status: is }) => (type === 'Ready' ? is !== 'True' : is === 'True'))
  const found = bad.map(({ type, reason, message }): Problem => {
    const what = type === 'Ready' ? 'it is not ready' : `it reports ${type}`
    return { kind: 'warning', where, what, why: message || reason, hint: `kubectl describe node ${name}` }
  })
  const cordoned: Problem = {
    ...{ kind: 'warning', where, what: 'it is cordoned: no new pods are scheduled on it' },
    hint: `kubectl uncordon ${name}`,
  }
  return spec.unschedulable ? [...found, cordoned] : found
}
