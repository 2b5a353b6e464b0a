// A service of systemd or OpenRC that runs with the inputs it should: restarted only when they changed, watched until it is
// healthy, and put back to the last good inputs when it is not.

import type { Problem } from '../../engine/problem.ts'
import type { State } from '../../engine/state.ts'
import { sha256 } from '../../files/digest.ts'
import type { Facts } from '../facts.ts'
import type { Failure, HostResource } from '../resource.ts'
import { type Sh, script, sh } from '../sh.ts'
import startText from '../shell/service-start.sh'
import { belongs, initOf, speaking, stateOf } from './init.ts'

export interface ServiceSpec {
  /** `k3s.service`, also where OpenRC has it as `k3s`; its unit file or service script is one of the inputs. */
  readonly unit: string
  /** What the unit is started with. Each is made with `mark: disturbedMark(unit)`; the file at `path` is put back after a bad start. */
  readonly inputs: readonly { readonly resource: HostResource; readonly path?: string }[]
  /** Exit 0: it works. Otherwise what it prints is what is waited for. Runs again and again while the unit is active. */
  readonly health: Sh
  readonly boundSeconds: number
  /** Exit 0: a start may be tried with the inputs that are in place. Otherwise what it prints is why not. */
  readonly validate?: Sh
}

const home = (unit: string) => `/var/lib/k3s-platform/units/${unit}`

/** A file that stands while a unit's inputs are other than those of its last good start. */
export function disturbedMark(unit: string): string {
  return `${home(unit)}/disturbed`
}

/** Exit codes of the start step: 70 put back and running, 71 put back and still not running, 72 nothing to put back. */
const PUT_BACK = 70
const STILL_DOWN = 71
const NO_GOOD = 72
/** Refused before the restart: 73 put back, the unit was not touched; 74 nothing to put back. */
const REFUSED = 73
const REFUSED_FIRST = 74

/**
 * `inputs` in its state is a hash of what every input means. The actual one is a stamp, written only after a healthy start,
 * beside a copy of the inputs: the last good ones. A crash between write and restart leaves the mark, so the next run
 * restarts.
 */
export function service(spec: ServiceSpec): HostResource {
  const { unit } = spec
  // What is for hosts with the other init has no part in it: what it means there restarts nothing here.
  const inputsOf = (facts: Facts) => spec.inputs.filter(({ resource }) => belongs(resource, facts))
  const wanted = (facts: Facts) =>
    sha256(JSON.stringify(inputsOf(facts).flatMap(({ resource: { id, meaning } }) => (meaning ? [[id, meaning]] : []))))
  const needsStart = (actual: State | null, desired: State | null): boolean =>
    actual?.active !== true || actual.inputs !== desired?.inputs || actual.loaded !== 'the unit file'
  return {
    id: `service:${unit}`,
    title: unit,
    inputs: spec.inputs.map(({ resource }) => resource.id),
    afterInputs: (actual) => ({ actual: actual && { ...actual, inputs: 'changed' } }),
    slow: true,
    probe: sh`${stateOf(unit)}
if [ -e ${disturbedMark(unit)} ]; then echo inputs=disturbed; else k_l=''; { read -r k_l <${home(unit)}/inputs; } 2>/dev/null; printf 'inputs=%s\n' "$k_l"; fi`,
    read: ({ text }) => {
      const show = new Map(
        text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      )
      if (show.get('LoadState') === 'not-found') return { actual: null }
      return {
        actual: {
          active: show.get('ActiveState') === 'active' ? true : `${show.get('ActiveState')} (${show.get('SubState')})`,
          enabled: show.get('UnitFileState') === 'enabled',
          loaded: show.get('NeedDaemonReload') === 'yes' ? 'an older unit file' : 'the unit file',
          inputs: show.get('inputs') || 'unknown',
        },
      }
    },
    desired: (facts) => ({ active: true, enabled: true, loaded: 'the unit file', inputs: wanted(facts) }),
    // A unit that is only enabled goes on as it is: what depends on it need not be looked at again.
    disturbs: ({ actual, desired }) => needsStart(actual, desired),
    action: (actual, desired) => {
      if (!needsStart(actual, desired)) return `enable ${unit}`
      return actual?.active === true ? `restart ${unit}` : `start ${unit}`
    },
    steps: ({ actual, desired, facts }) => {
      const settings = sh`k_unit=${unit} k_home=${home(unit)} k_bound=${spec.boundSeconds} k_inputs=${wanted(facts)}
${speaking[initOf(facts)]}`
      const paths = inputsOf(facts).flatMap(({ path }) => path ?? [])
      if (!needsStart(actual, desired))
        return [
          {
            title: `enable ${unit}`,
            run: sh`${settings}
k_enable`,
          },
        ]
      return [
        {
          title: `${actual?.active === true ? 'restart' : 'start'} ${unit}`,
          run: sh`${settings}
k_health() {
${spec.health}
}
k_validate() {
${spec.validate ?? sh`:`}
}
set -- ${paths}
${starting}`,
        },
      ]
    },
    explain: (failure) => explain(unit, failure),
  }
}

const starting = script(startText, {
  refusedFirst: REFUSED_FIRST,
  refused: REFUSED,
  noGood: NO_GOOD,
  putBack: PUT_BACK,
  stillDown: STILL_DOWN,
})

function explain(
  unit: string,
  { code, out, err }: Failure,
): Partial<Pick<Problem, 'what' | 'why' | 'hint' | 'rescued'>> {
  if (code === REFUSED || code === REFUSED_FIRST) {
    const what = 'the new configuration was rejected before the restart'
    const hint = 'correct the inventory and run apply again'
    if (code === REFUSED_FIRST) return { what, why: err.trim(), hint }
    const back = 'the last good configuration was restored, the unit was not restarted'
    return { what: `${what}; ${back}`, why: err.trim(), hint, rescued: true }
  }
  const state = /^state=(.*?)(?:: *)?$/m.exec(out)?.[1] ?? 'it did not start'
  const log = /^log=(.*)$/m.exec(out)?.[1]
  const { lines, starts } = toldByStarts(err)
  const telling = lines.filter((line) => TELLING.test(line))
  const journal = `${log ?? 'journal'}${starts > 1 ? ` (start ${starts} of ${starts})` : ''}`
  const why =
    lines.length === 0
      ? `${log ?? 'the journal'} has no entries`
      : `${journal}: ${(telling.length > 0 ? telling : lines).slice(-8).join('\n         ')}`
  const hint = `full log on the host: ${log ?? `journalctl -u ${unit}`}; correct the inventory and run apply again`
  const after = `not healthy after the restart: ${state}`
  if (code === PUT_BACK) {
    return { what: `${after}; the last good configuration was restored and is running`, why, hint, rescued: true }
  }
  if (code === STILL_DOWN)
    return { what: `${after}; the last good configuration was restored, but does not start either`, why, hint }
  if (code !== NO_GOOD) return {}
  return { what: `not healthy after the start: ${state}; there is no earlier configuration to restore`, why, hint }
}

const TELLING = /level=(fatal|error)|critical configuration|^Error|[Ff]ailed|panic|unknown flag/
/** What systemd itself says of a unit. */
const SYSTEMD = /^(?:\S+\.service: |(?:Starting|Started|Stopping|Stopped|Failed to start) )/

/**
 * The lines of the last start in which the program said anything telling, each once: every start says the same again, at
 * another time. `err`: lines, in groups that begin with `start=N` where it is known which start they are from; after
 * `start=any`, all lines of the unit since the first of these starts.
 */
function toldByStarts(err: string): { readonly lines: readonly string[]; readonly starts: number } {
  const [known = '', any = ''] = err.split(/^start=any$/m)
  const groups = known.split(/^start=\d+$/m).map(distinctLines)
  const rest = distinctLines(any)
  const tells = (lines: readonly string[]) => lines.some((line) => TELLING.test(line) && !SYSTEMD.test(line))
  const found = groups.findLastIndex(tells)
  if (found === -1 && tells(rest)) return { lines: rest, starts: 0 }
  const last = found === -1 ? groups.findLastIndex((lines) => lines.length > 0) : found
  return { lines: groups[last] ?? rest, starts: last }
}

function distinctLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/Unknown flag .* skipping/.test(line))
  return [...new Map(lines.map((line) => [line.replace(/time="[^"]*"/, ''), line])).values()]
}
