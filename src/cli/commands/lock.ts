// lock: writes the published digests of all versions in the inventory into the lock file.

import type { z } from 'zod'
import { eachRole } from '../../../roles/index.ts'
import type { Role } from '../../../roles/role.ts'
import { ProblemError } from '../../engine/problem.ts'
import {
  BoundBefore,
  bindVars,
  grouped,
  type Host,
  type HostProblems,
  selectHosts,
  unique,
} from '../../inventory/index.ts'
import type { LockDocument } from '../../report/documents.ts'
import { EXIT } from '../../report/outcome.ts'
import { lockText, writeLock } from '../../supply/lock.ts'
import { changed, type Difference, type Lockable, type Resolved, resolveLock, titleOf } from '../../supply/resolve.ts'
import { openCache } from '../cache.ts'
import { inventoryOf, requirePasswordFiles } from '../inventory.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { patternsOf, reporterFor, stopAt, supplyOf } from '../run.ts'

const ANSWER_MS = 60_000

/** With `--check` it writes nothing and ends with 2 when the file is behind. */
export async function run(options: CliOptions, io: Io): Promise<number> {
  requirePasswordFiles(options, io)
  const inventory = await inventoryOf(options, io)
  stopAt(inventory.problems)
  const { hosts, problems } = selectHosts(inventory, ...patternsOf(options))
  stopAt([...inventory.problems, ...problems])
  if (inventory.directories.length === 0) {
    const what = 'hosts that are passed on the command line have no directory for a lock file'
    throw new ProblemError({ kind: 'usage', where: '-i', what, hint: 'write an inventory: hosts.yaml in a directory' })
  }
  const before = new BoundBefore()
  const wanted = hosts.flatMap((host) => eachRole((role) => wantedBy(role, host, before)))
  const noticed = [...inventory.problems, ...problems, ...grouped(wanted)]
  stopAt(noticed)
  const opened = await supplyOf(inventory.directories, options, io)
  stopAt(opened.problems)
  reporterFor(noticed, options, io)
  const { lock, lockShown } = opened.supply
  const entries = wanted.flatMap((one) => one.entries)
  const resolved = await resolveLock(lock, entries, {
    cache: await openCache(io),
    boundMs: options.timeoutMs ?? ANSWER_MS,
  })
  const replaced = resolved.differences.filter(({ from }) => from !== null)
  const refused = options.yes ? [] : replaced.map((one) => changed(one, lockShown))
  stopAt(unique([...resolved.problems, ...refused]))

  const check = options.mode === 'check'
  const behind = resolved.differences.length > 0
  if (behind && !check) {
    await writeLock(
      lock,
      lockText(
        lock,
        resolved.differences.map(({ entry, to }) => [entry, to] as const),
      ),
    )
  }
  const exitCode = behind && check ? EXIT.pending : EXIT.ok
  if (options.output === 'json') io.document(documentOf(lockShown, resolved, check, exitCode))
  else io.stdout.write(textOf(lockShown, io.shown(resolved), check))
  return exitCode
}

function wantedBy<V extends z.ZodObject>(
  role: Role<V>,
  host: Host,
  before: BoundBefore,
): HostProblems & { readonly entries: readonly Lockable[] } {
  const { value, problems } = bindVars(host, role.vars, { before })
  return { hosts: [host], problems, entries: (value && role.locks?.(value)) ?? [] }
}

function textOf(path: string, { differences, same, missing }: Resolved, check: boolean): string {
  const lines = [...differences.map(lineOf), ...missing.map((entry) => `  ? ${titleOf(entry)}  not published`)]
  const added = differences.filter(({ from }) => from === null).length
  const counts = `${added} added, ${differences.length - added} changed, ${same} unchanged`
  const told =
    check && differences.length > 0
      ? `Lock: ${path} is outdated: ${counts}. Nothing was written.`
      : `Lock: ${path}: ${counts}.`
  return `${[...lines, told].join('\n')}\n`
}

function lineOf({ entry, from, to }: Difference): string {
  return from === null ? `  + ${titleOf(entry)}  ${short(to)}` : `  ~ ${titleOf(entry)}  ${short(from)} -> ${short(to)}`
}

const short = (digest: string) => `${digest.slice(0, 6)}…`

function documentOf(
  path: string,
  { differences, same, missing }: Resolved,
  check: boolean,
  exitCode: number,
): LockDocument {
  return {
    schema: 'k3s-platform/lock/v1',
    ...{ path, check, exitCode, differences, unchanged: same, missing },
  }
}
