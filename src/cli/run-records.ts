// Keeps the records of runs in the state directory of the user: whole files, mode 600, the newest hundred.

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { ProblemError } from '../engine/problem.ts'
import { readRegularFile } from '../files/read-file.ts'
import { type RunRecord, runRecord } from '../report/run-record.ts'
import { privateDirectory } from './cache.ts'
import type { Io } from './io.ts'

const MOST_RECORDS = 100
/** A run on a thousand hosts has some ten MB. */
const MOST_BYTES = 64 * 1024 * 1024
const RECORD = /^(\d{8}T\d{6}Z-[0-9a-f]{6})\.json$/

/** Where they are; a relative XDG_STATE_HOME does not count (XDG Base Directory Specification). */
function recordsPath({ HOME, XDG_STATE_HOME }: Io['env']): string {
  const base = XDG_STATE_HOME && isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : undefined
  return join(base ?? join(HOME && isAbsolute(HOME) ? HOME : userInfo().homedir, '.local/state'), 'k3s-platform/runs')
}

/** As a file name and in the order of time: `20261201T114500Z-3f9a1c`. */
export function newRunId(startedMs: number): string {
  const time = new Date(startedMs).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${time}-${randomBytes(3).toString('hex')}`
}

/** Creates the directory; rejects where it cannot be, or where other users could write. */
export async function recordsDirectory(env: Io['env']): Promise<string> {
  const directory = await privateDirectory(() => recordsPath(env))
  if (directory === undefined) throw new Error('the directory cannot be created, or other users can write to it')
  return directory
}

/** Whole or not at all; the oldest ones beyond the limit are deleted. Throws what the file system answers. */
export function saveRecord(directory: string, id: string, json: string): void {
  const part = join(directory, `.${id}.part`)
  try {
    const file = openSync(part, 'wx', 0o600)
    try {
      writeSync(file, json)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(part, join(directory, `${id}.json`))
  } finally {
    rmSync(part, { force: true })
  }
  for (const old of idsIn(directory).slice(MOST_RECORDS)) rmSync(join(directory, `${old}.json`), { force: true })
}

/** Newest first. */
function idsIn(directory: string): string[] {
  return readdirSync(directory)
    .flatMap((name) => RECORD.exec(name)?.[1] ?? [])
    .toSorted()
    .toReversed()
}

/** The ids of all runs, newest first; none where there is no directory. */
export function recordedIds(env: Io['env']): string[] {
  try {
    return idsIn(recordsPath(env))
  } catch {
    return []
  }
}

/** Throws ProblemError for a file that cannot be read, or that this version did not write. */
export function readRecord(env: Io['env'], id: string): RunRecord {
  const path = join(recordsPath(env), `${id}.json`)
  try {
    return runRecord.parse(JSON.parse(readRegularFile(path, MOST_BYTES).toString('utf8')))
  } catch {
    const what = 'the record of the run cannot be read, or another version wrote it'
    throw new ProblemError({ kind: 'failed', where: path, what, hint: `delete it: rm ${path}` })
  }
}
