// A service of systemd or OpenRC that runs with the inputs it should: restarted only when they changed, watched until it is
// healthy, and put back to the last good inputs when it is not.

import { createHash } from 'node:crypto'
import type { Problem } from '../../engine/problem.ts'
import type { State } from '../../engine/state.ts'
import type { Facts } from '../facts.ts'
import type { Failure, HostResource } from '../resource.ts'
import { type Sh, sh } from '../sh.ts'
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
    createHash('sha256')
      .update(
        JSON.stringify(inputsOf(facts).flatMap(({ resource: { id, meaning } }) => (meaning ? [[id, meaning]] : []))),
      )
      .digest('hex')
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

const starting = sh`k_now() { cut -d. -f1 /proc/uptime; }
k_up() { # starts the unit; 0 when it is healthy
  k_t0=$(k_now) k_why="$k_tool would not start it"
  k_load; k_enable || return 1
  k_start || return 1
  while :; do
    k_look
    case $k_is in
      up) if k_why=$(k_health 2>&1); then return 0; fi ;;
      down) return 1 ;;
    esac
    k_alive || exit 1
    [ $(( $(k_now) - k_t0 )) -lt "$k_bound" ] || return 1
    k_wait "$k_bound" "\${k_why:-not healthy}"
    sleep 0.3 2>/dev/null || sleep 1
  done
}
k_copy() { rm -f -- "$2"; { [ "$(stat -c %s -- "$1")" -gt 1048576 ] && ln -- "$1" "$2" 2>/dev/null; } || cp -p -- "$1" "$2"; }
k_remember() { # the inputs as they are now are good
  rm -rf -- "$k_home/good.new" && mkdir -p -m 700 "$k_home/good.new" || return 1
  k_i=0
  for k_p in "$@"; do
    k_i=$((k_i + 1))
    [ ! -f "$k_p" ] || k_copy "$k_p" "$k_home/good.new/$k_i" || return 1
    printf '%s\n' "$k_p" >>"$k_home/good.new/paths"
  done
  printf '%s\n' "$k_inputs" >"$k_home/good.new/inputs"
  k_sync "$k_home"/good.new/*
  rm -rf -- "$k_home/good.old"; [ ! -d "$k_home/good" ] || mv -- "$k_home/good" "$k_home/good.old"
  mv -- "$k_home/good.new" "$k_home/good" && rm -rf -- "$k_home/good.old"
  cp -- "$k_home/good/inputs" "$k_home/inputs.new" && k_sync "$k_home/inputs.new" && mv -f -- "$k_home/inputs.new" "$k_home/inputs" && rm -f -- "$k_home/disturbed" && k_sync "$k_home"
}
k_put_back() { # the inputs of the last good start; what is an input only now goes
  [ -d "$k_home/good" ] || [ ! -d "$k_home/good.old" ] || mv -- "$k_home/good.old" "$k_home/good"
  [ -f "$k_home/good/inputs" ] || return 1
  k_i=0
  while IFS= read -r k_p; do
    k_i=$((k_i + 1))
    if [ -f "$k_home/good/$k_i" ]; then
      # A link to the same file is never renamed over it.
      [ "$(stat -c %d.%i -- "$k_p" 2>/dev/null)" != "$(stat -c %d.%i -- "$k_home/good/$k_i")" ] || continue
      k_t="\${k_p%/*}/.\${k_p##*/}.k3sp.back"
      k_copy "$k_home/good/$k_i" "$k_t" && mv -f -- "$k_t" "$k_p" || return 1
    else rm -f -- "$k_p"; fi
  done <"$k_home/good/paths"
  for k_p in "$@"; do grep -qxF -- "$k_p" "$k_home/good/paths" || rm -f -- "$k_p"; done
}
mkdir -p -m 700 "$k_home" && : >"$k_home/disturbed" || exit 1
if ! k_why=$(k_validate 2>&1); then
  printf '%s\n' "$k_why" >&2
  k_put_back "$@" || exit ${REFUSED_FIRST}
  k_load; rm -f -- "$k_home/disturbed"
  exit ${REFUSED}
fi
if k_up; then k_remember "$@" || k_fail 'it runs, but that could not be recorded'; exit 0; fi
[ -z "$k_logfile" ] || printf 'log=%s\n' "$k_logfile"
printf 'state=%s, after %s s: %s\n' "$(k_tell)" "$(( $(k_now) - k_t0 ))" "$k_why"
k_log >&2
k_put_back "$@" || exit ${NO_GOOD}
k_wait "$k_bound" 'putting the last good configuration back'
if k_up; then
  cp -- "$k_home/good/inputs" "$k_home/inputs" && rm -f -- "$k_home/disturbed"
  exit ${PUT_BACK}
fi
exit ${STILL_DOWN}`

function explain(
  unit: string,
  { code, out, err }: Failure,
): Partial<Pick<Problem, 'what' | 'why' | 'hint' | 'rescued'>> {
  if (code === REFUSED || code === REFUSED_FIRST) {
    const what = 'the new configuration was refused before the restart'
    const hint = 'correct the inventory and run apply again'
    if (code === REFUSED_FIRST) return { what, why: err.trim(), hint }
    const back = 'the last good one is back, the unit was not touched'
    return { what: `${what}; ${back}`, why: err.trim(), hint, rescued: true }
  }
  const state = /^state=(.*?)(?:: *)?$/m.exec(out)?.[1] ?? 'it did not come up'
  const log = /^log=(.*)$/m.exec(out)?.[1]
  // Every try says the same again, at another time.
  const journal = [
    ...new Map(
      err
        .trim()
        .split('\n')
        .map((line) => [line.replace(/time="[^"]*"/, ''), line]),
    ).values(),
  ]
  const telling = journal.filter((line) => /level=(fatal|error)|^Error|[Ff]ailed|panic|unknown flag/.test(line))
  const why =
    err.trim() === ''
      ? `${log ?? 'the journal'} is silent`
      : `${log ?? 'journal'}: ${(telling.length > 0 ? telling : journal).slice(-8).join('\n         ')}`
  const hint = `${log ?? `journalctl -u ${unit}`} on the host has all of it; correct the inventory and run apply again`
  const after = `not healthy after the restart: ${state}`
  if (code === PUT_BACK) {
    return { what: `${after}; the last good configuration is back and running`, why, hint, rescued: true }
  }
  if (code === STILL_DOWN)
    return { what: `${after}; the last good configuration is back, but does not come up either`, why, hint }
  if (code !== NO_GOOD) return {}
  return { what: `not healthy after the start: ${state}; there is no earlier configuration to go back to`, why, hint }
}
