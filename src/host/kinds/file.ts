// A file with its whole content, mode and owner; written atomically, left alone when it is identical.

import type { Observed } from '../../engine/resource.ts'
import { Secret } from '../../engine/secret.ts'
import type { State } from '../../engine/state.ts'
import { sha256 } from '../../files/digest.ts'
import type { Answer, HostResource, Step } from '../resource.ts'
import { lines, type Sh, sh } from '../sh.ts'

export interface FileSpec {
  readonly path: string
  /** Text. A Secret is never shown, not even its length. */
  readonly content: string | Secret
  /** Octal as chmod takes it, without a leading zero: `600`. Default `644`. */
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
  readonly title?: string
  /** What of a content matters to a unit that reads it; a change that keeps it restarts nothing. Default: all of it. */
  readonly meaning?: (content: string) => string
  /** A marker made before the content changes in meaning: see `service`. */
  readonly mark?: string
}

/** More of a file than this is not fetched for a diff, bytes. */
const SHOWN_BYTES = 65_536

export function file(spec: FileSpec): HostResource {
  const { path, mode = '644', owner = 'root', group = 'root' } = spec
  const secret = spec.content instanceof Secret
  const text = spec.content instanceof Secret ? spec.content.reveal() : spec.content
  const digest = sha256(text)
  const meaning = spec.meaning ?? ((content: string) => content)
  const content = secret ? digest : text
  const sameMeaning = (actual: State | null): boolean => {
    const now = actual?.content
    if (typeof now !== 'string') return false
    return now === content || (!secret && meaning(now) === meaning(text))
  }
  return {
    id: `file:${path}`,
    title: spec.title ?? path,
    masked: secret ? ['content'] : [],
    meaning: secret ? digest : meaning(text),
    asks: { stats: [path], digests: [path] },
    probe: sh`k_meta ${path}
if [ -f ${path} ] && [ ! -L ${path} ]; then
  k_digest ${path}; printf 'sum %s\n' "$k_o"
  ${secret ? sh`:` : sh`[ "$k_o" = ${digest} ] || head -c ${SHOWN_BYTES} -- ${path}`}
fi`,
    read: (answer) => readFile(answer, digest, content, secret),
    desired: () => ({ type: 'file', content, mode, owner, group }),
    disturbs: ({ actual }) => !sameMeaning(actual),
    steps: ({ actual }) => {
      const write = actual?.content !== content || actual.type !== 'file'
      const parts: Sh[] = []
      if (spec.mark !== undefined && !sameMeaning(actual)) parts.push(disturb(spec.mark))
      if (actual?.type === 'directory') parts.push(sh`rmdir -- ${path} || exit 1`)
      if (write) parts.push(sh`printf %s ${spec.content} | k_put ${path} ${mode} ${`${owner}:${group}`} ${digest}`)
      else parts.push(sh`chown -- ${`${owner}:${group}`} ${path} && chmod -- ${mode} ${path}`)
      return [{ title: `${write ? 'write' : 'set mode and owner of'} ${path}`, run: lines(parts) } satisfies Step]
    },
  }
}

/** Says, so that a power cut does not forget it, that what a unit was started with is about to change. */
export function disturb(marker: string): Sh {
  return sh`mkdir -p -m 700 ${marker.slice(0, marker.lastIndexOf('/'))} && : >${marker} && k_sync ${marker} || exit 1`
}

function readFile(answer: Answer, digest: string, content: string, secret: boolean): Observed {
  const end = answer.bytes.indexOf('\n')
  const [type = '', mode = '', owner = '', group = '', ...target] = answer.bytes.toString('utf8', 0, end).split(' ')
  if (type === 'absent') return { actual: null }
  if (type !== 'file')
    return { actual: { type: type === 'link' ? `link to ${target.join(' ')}` : type, content: null } }
  const rest = answer.bytes.subarray(end + 1)
  const sum = rest.toString('utf8', 0, rest.indexOf('\n')).replace('sum ', '')
  const shown = rest.subarray(rest.indexOf('\n') + 1)
  const readable = !secret && shown.length < SHOWN_BYTES && shown.every((byte) => byte !== 0)
  const found = sum === digest ? content : readable ? shown.toString('utf8') : sum
  return { actual: { type, content: found, mode, owner, group } }
}
