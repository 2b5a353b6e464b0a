// What k3s unpacked for earlier releases: it keeps every one, half a gigabyte each; `current` and `previous` are links to two of them.

import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { State } from '../../src/engine/state.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { script, sh } from '../../src/host/sh.ts'
import oldBuildsText from './shell/old-builds.sh'

const ID = 'k3s:old-builds'

/** Lines of `<megabytes> MB <path>`. */
function listOf(actual: State | null | undefined): { lines: readonly string[]; megabytes: number } {
  const lines = Array.isArray(actual?.found) ? actual.found.map(String) : []
  return { lines, megabytes: lines.reduce((sum, line) => sum + Number.parseInt(line, 10), 0) }
}

/** For those who only look: what a plan would remove, with the size of each. */
export function oldBuildWarnings({ observations }: Pick<Look<unknown>, 'observations'>, host: string): Problem[] {
  const { lines, megabytes } = listOf(observations.get(ID)?.actual)
  if (lines.length === 0) return []
  return [
    {
      kind: 'warning',
      where: host,
      what: `Unpacked builds of earlier k3s releases take ${megabytes} MB`,
      why: lines.join('\n'),
      hint: `to remove all but the running and the previous one: k3s-platform apply -l ${host} -t ready`,
    },
  ]
}

/** Goes after the restart, when `current` leads to the build that runs. A process that still runs from an old one keeps its files. */
export function oldBuilds(dataDir: string): HostResource {
  const data = `${dataDir}/data`
  const title = 'unpacked builds of earlier k3s releases'
  // The names are SHA-256 digests; nothing else is looked at, and two need no further look.
  const list = script(oldBuildsText, { data })
  return {
    id: ID,
    title,
    probe: sh`k_olds=$({
${list}
})
[ -z "$k_olds" ] || printf '%s\n' "$k_olds" | xargs du -sm | sed 's:\t: MB :'`,
    read: ({ text }) => ({ actual: { found: text.split('\n').filter(Boolean).toSorted() } }),
    desired: () => ({ found: [] }),
    action: (actual) => {
      const { lines, megabytes } = listOf(actual)
      return `remove ${lines.length} unpacked ${lines.length === 1 ? 'build' : 'builds'} of earlier k3s releases (${megabytes} MB)`
    },
    steps: () => [
      {
        title: `remove ${title}`,
        run: sh`{
${list}
} | while IFS= read -r k_d; do rm -rf -- "$k_d" || exit 1; done`,
      },
    ],
  }
}
