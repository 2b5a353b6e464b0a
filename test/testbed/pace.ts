// Bounds that follow the machine: what is there within a minute on a quiet one takes longer beside other work, or on half a core.

import { availableParallelism, loadavg } from 'node:os'

/** Milliseconds of processor time that a measurement takes. */
const SAMPLE = 50

/** What a bound for a quiet machine is on this one now. */
export function patient(bound: number): number {
  const began = performance.now()
  const before = process.cpuUsage()
  const used = () => {
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  while (used() < SAMPLE) Math.hypot(SAMPLE)
  const waited = (performance.now() - began) / used()
  const crowded = (loadavg()[0] ?? 0) / availableParallelism()
  return Math.round(bound * Math.min(Math.max(waited, crowded, 1), 10))
}
