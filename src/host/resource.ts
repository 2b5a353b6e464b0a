// A host resource is pure: the shell that looks at it, how its answer reads, what it should be, and the shell that makes it so.

import type { Problem } from '../engine/problem.ts'
import type { Observed, PendingChange, Resource } from '../engine/resource.ts'
import type { State } from '../engine/state.ts'
import type { Asset } from '../supply/asset.ts'
import type { Facts } from './facts.ts'
import type { Sh } from './sh.ts'

export interface HostResource extends Resource {
  /** Only for hosts with this init; elsewhere it is left out of the plan. Default: for every host. */
  readonly on?: 'systemd' | 'openrc'
  /** Looks and changes nothing. Runs as root in a subshell after the prelude; stdin is /dev/null. */
  readonly probe: Sh
  /** What its probe asks `k_stat` (and `k_meta`) or `k_digest` of: one process each answers for all probes of a look. */
  readonly asks?: { readonly stats: readonly string[]; readonly digests?: readonly string[] }
  /** Its probe waits for another process: the others run meanwhile. */
  readonly slow?: true
  /** Reads what the probe printed. A probe that exits with another code than 0 is a problem and never gets here. */
  read(answer: Answer): Observed
  desired(facts: Facts): State | null
  /** Said of a change that makes or edits it: whose word its digest is. */
  remark?(facts: Facts): string | undefined
  /** In order; they stop at the first that fails. */
  steps(change: HostChange): readonly Step[]
  /** Words for a step that failed; what it leaves out is filled in from the step. */
  explain?(failure: Failure): Partial<Pick<Problem, 'what' | 'why' | 'hint' | 'rescued'>>
  /**
   * What of this resource matters to a unit that is started with it, in a canonical form: two forms of one meaning need no
   * restart. Without one it matters only when it changes.
   */
  readonly meaning?: string
}

interface HostChange extends Pick<PendingChange<HostResource>, 'actual' | 'desired'> {
  readonly facts: Facts
}

export interface Answer {
  readonly bytes: Buffer
  readonly text: string
  readonly err: string
  readonly code: number
}

export interface Failure {
  readonly step: string
  readonly code: number
  readonly out: string
  readonly err: string
}

export type Step = {
  /** What is being done, for people: `download k3s v1.36.5+k3s1`. */
  readonly title: string
} & (
  | { readonly run: Sh }
  /** The workstation fetches the asset and sends it to `to` on the host; continues a partial one, verifies the whole. */
  | { readonly upload: Asset; readonly to: string }
  /** What `read` prints on the host becomes a file of the workstation; it is never shown. */
  | { readonly read: Sh; readonly save: (bytes: Buffer) => Promise<void> }
)
