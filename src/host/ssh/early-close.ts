// Tries a login again while the server closes connections before its banner, as sshd does beyond MaxStartups.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { Deadline } from './deadline.ts'
import type { SshTarget } from './target.ts'

/** The connection was closed before the server had named its protocol: no key and no password were sent. */
export class EarlyClose extends ProblemError {}

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 4000
/** Less time than this is not enough for a login. */
const LOGIN_MS = 200

/** Runs `login` until it ends in another way or the time is over; pauses grow, and no two hosts keep step. */
export async function retryEarlyCloses<T>(target: SshTarget, deadline: Deadline, login: () => Promise<T>): Promise<T> {
  let problem: Problem | undefined
  for (let tries = 1; ; tries++) {
    try {
      return await login()
    } catch (error) {
      const isEarly = error instanceof EarlyClose
      // A try that the end of the time has cut short says less than those before it.
      if (!isEarly && (problem === undefined || deadline.over !== 'expired')) throw error
      if (isEarly) problem = error.problems[0] ?? problem
      if (problem === undefined) throw error
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) * (0.5 + Math.random())
      if (deadline.leftMs < pause + LOGIN_MS) {
        const why = [problem.why, `tried ${tries} times in ${target.timeoutMs / 1000} s`].filter(Boolean).join('; ')
        throw new ProblemError({ ...problem, why })
      }
      target.onWait(`${problem.what}: trying again in ${(pause / 1000).toFixed(1)} s`)
      await sleep(pause, undefined, { signal: target.signal }).catch(() => target.signal?.throwIfAborted())
    }
  }
}
