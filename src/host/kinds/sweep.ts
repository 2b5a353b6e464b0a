// Removes things found by discovery: running units, processes, mounts, interfaces, chains.

import type { State } from '../../engine/state.ts'
import type { HostResource } from '../resource.ts'
import { type Sh, sh } from '../sh.ts'

export interface SweepSpec {
  readonly id: string
  readonly title: string
  /** What is done to them, for people: `kill`. */
  readonly verb: string
  /** Prints a line for each that is there; says nothing and exits 0 where there are none. */
  readonly list: Sh
  /** Takes them away; `k_list` is `list`. It is looked again afterwards, so errors need not be told. */
  readonly take: Sh
}

const SHOWN = 4

export function sweep({ id, title, verb, list, take }: SweepSpec): HostResource {
  const todo = (actual: State | null) => `${verb} ${shortly(actual)}`
  return {
    id,
    title,
    probe: sh`${list}
:`,
    read: ({ text }) => ({ actual: { found: text.split('\n').filter(Boolean) } }),
    desired: () => ({ found: [] }),
    action: todo,
    steps: ({ actual }) => [
      {
        title: todo(actual),
        run: sh`k_list() {
${list}
}
${take}
:`,
      },
    ],
  }
}

function shortly(actual: State | null): string {
  const found = actual?.found
  const names = Array.isArray(found) ? found.map(String) : []
  const more = names.length - SHOWN
  return names.slice(0, more > 1 ? SHOWN : names.length).join(', ') + (more > 1 ? ` and ${more} more` : '')
}
