// upgrade --to: upgrades k3s on hosts that otherwise match the inventory, and shows which variable keeps the release.

import { SNAPSHOT_ID } from '../../../roles/k3s_platform_bootstrap/upgrade.ts'
import type { Event } from '../../engine/events.ts'
import { changesOf, pending } from '../../engine/plan.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { type Decrypt, selectHosts } from '../../inventory/index.ts'
import { inventoryOf } from '../inventory.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open, patternsOf } from '../run.ts'

const VERSION = 'k3s_platform_k3s_version'

/** What an upgrade is made of; anything else that is pending is for `apply`. */
const PARTS = [SNAPSHOT_ID, 'service:k3s.service', 'k3s:ready', 'k3s:old-builds']
const isPart = (id: string) => PARTS.includes(id) || id.startsWith('download:')

interface UpgradeCall extends CliOptions {
  readonly to: string | null
}

/** Looks first: with other changes pending nothing is touched. */
export async function run(options: UpgradeCall, io: Io): Promise<number> {
  if (options.to === null) {
    throw new ProblemError({
      kind: 'usage',
      where: '--to',
      what: 'set a release: upgrade --to v1.36.5+k3s1',
      hint: 'available releases: https://github.com/k3s-io/k3s/releases',
    })
  }
  const more = [...options.extraVars, JSON.stringify({ [VERSION]: options.to })]
  const others: Problem[] = []
  const opened = await open(
    { ...options, extraVars: more },
    io,
    (role) => role.stages,
    (event) => {
      others.push(...otherChanges(event))
    },
  ).catch((error: unknown) => {
    throw error instanceof ProblemError ? new ProblemError(error.problems.map(ofFlag)) : error
  })
  const looked = await opened.run(opened.targets, 'check')
  const bad = looked.some(({ status }) => status !== 'ok' && status !== 'pending')
  if (options.mode === 'check' || bad || others.length > 0) {
    for (const problem of others) opened.reporter.emit({ at: io.now(), event: 'problem', host: null, problem })
    const code = opened.end(looked)
    return code === 2 && others.length > 0 ? 1 : code
  }
  const results = await opened.run(opened.targets, 'apply')
  const code = opened.end(results)
  if (code === 0 && options.output === 'text') io.stdout.write(await advice(options, io, options.to, opened.decrypt))
  return code
}

/** What is wrong with the release is wrong with the flag that it came from. */
function ofFlag(problem: Problem): Problem {
  return new RegExp(`^-e(?::\\S+)? +${VERSION}$`).test(problem.where) ? { ...problem, where: '--to' } : problem
}

/** Where the inventory names the release now, and what should stand there. */
async function advice(options: CliOptions, io: Io, to: string, decrypt: Decrypt): Promise<string> {
  const inventory = await inventoryOf(options, io, decrypt)
  const { hosts } = selectHosts(inventory, ...patternsOf(options))
  const behind = hosts.filter((host) => host.get(VERSION).value?.data !== to)
  if (behind.length === 0) return ''
  const places = [...new Set(behind.map((host) => host.where(VERSION)))]
  return `\nThe next apply would refuse the downgrade. To keep this release, set\n  ${VERSION}: ${to}\nat\n${places.map((p) => `  ${p}\n`).join('')}`
}

function otherChanges(event: Event): Problem[] {
  if (event.event !== 'plan') return []
  return changesOf(event.plan)
    .filter((change) => pending(change) && !isPart(change.resource.id))
    .map(({ resource }) => ({
      kind: 'failed',
      where: `${event.host} ${resource.title}`,
      what: 'differs from the inventory, and the upgrade does not change that',
      hint: 'first apply the inventory with the running release: k3s-platform apply',
    }))
}
