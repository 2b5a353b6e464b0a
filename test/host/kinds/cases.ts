// Loads the cases of cases/*.yaml: what a resource finds, plans and does on a small host, told in data.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { Secret } from '../../../src/engine/secret.ts'
import { directory } from '../../../src/host/kinds/directory.ts'
import { download } from '../../../src/host/kinds/download.ts'
import { file } from '../../../src/host/kinds/file.ts'
import { kernelModules, sysctls } from '../../../src/host/kinds/kernel.ts'
import { packages } from '../../../src/host/kinds/packages.ts'
import { disturbedMark, service } from '../../../src/host/kinds/service.ts'
import { strays } from '../../../src/host/kinds/strays.ts'
import type { HostResource } from '../../../src/host/resource.ts'
import { Sh } from '../../../src/host/sh.ts'

const modes = { mode: z.string().optional(), owner: z.string().optional(), group: z.string().optional() }
const fileSpec = z.strictObject({
  path: z.string(),
  content: z.string().optional(),
  /** Content that is a Secret; it must not show anywhere. */
  secret: z.string().optional(),
  title: z.string().optional(),
  mark: z.string().optional(),
  /** What of it has a meaning: all but comment lines. */
  comments: z.literal('mean nothing').optional(),
  ...modes,
})
const assetSpec = z.strictObject({
  urls: z.array(z.string()),
  sha256: z.string().nullable().default(null),
  sums: z.strictObject({ url: z.string(), name: z.string() }).nullable().default(null),
})
const wanted = z.union([
  z.strictObject({ directory: z.strictObject({ path: z.string(), ...modes }) }),
  z.strictObject({ file: fileSpec }),
  z.strictObject({
    download: z.strictObject({
      path: z.string(),
      version: z.string(),
      asset: assetSpec,
      mode: z.string().optional(),
      via: z.enum(['node', 'workstation']).default('node'),
      mark: z.string().optional(),
    }),
  }),
  z.strictObject({ packages: z.array(z.string()) }),
  z.strictObject({
    strays: z.strictObject({
      title: z.string(),
      places: z.array(z.strictObject({ directory: z.string(), pattern: z.string() })),
      wanted: z.array(z.string()).default([]),
      ours: z.string(),
      mark: z.string(),
    }),
  }),
  z.strictObject({ kernelModules: z.array(z.string()) }),
  z.strictObject({ sysctls: z.record(z.string(), z.string()) }),
  /** A unit with its inputs, which are made before it. */
  z.strictObject({
    service: z.strictObject({
      unit: z.string(),
      inputs: z.array(fileSpec),
      health: z.string().default(':'),
      boundSeconds: z.number().default(5),
    }),
  }),
])

/** Something at a path: a file unless it is said. `null`: nothing. Owners by name; default mode 644, owner root. */
const entry = z.union([
  z.null(),
  z.strictObject({ link: z.string() }),
  z.strictObject({ directory: z.literal(true), mode: z.string().default('755'), owner: z.string().default('root') }),
  z.strictObject({ tmpfs: z.string() }),
  z.strictObject({ content: z.string(), mode: z.string().default('644'), owner: z.string().default('root') }),
])
const tree = z.record(z.string(), entry).default({})
const json = z.json()
const change = z.strictObject({
  op: z.enum(['none', 'create', 'update', 'delete', 'action', 'owned', 'deferred']),
  deltas: z.record(z.string(), z.tuple([json, json])).default({}),
  note: z.string().optional(),
  because: z.array(z.string()).default([]),
})
const answer = z.strictObject({
  content: z.string().default(''),
  status: z.number().default(200),
  ranges: z.boolean().default(true),
})

const oneCase = z.strictObject({
  /** A sentence. */
  it: z.string(),
  /** Reason why it is only for tests that run as root. */
  needsOwners: z.literal(true).optional(),
  shells: z.array(z.string()).optional(),
  without: z.array(z.string()).default([]),
  /** Commands to be found first: name to script. */
  commands: z.record(z.string(), z.string()).default({}),
  /** What a fake systemctl starts from and does. */
  unit: z.strictObject({ is: z.record(z.string(), z.string()), onRestart: z.string() }).optional(),
  serves: z.record(z.string(), answer).default({}),
  /** Script that sets up what data cannot tell. */
  prepare: z.string().optional(),
  has: tree,
  /** Applied before, to success; then the script ran. */
  earlier: z.array(wanted).optional(),
  meanwhile: z.string().optional(),
  wants: z.array(wanted),
  /** In the order of the resources, a service's inputs before it. */
  finds: z.array(json).optional(),
  plan: z.array(change),
  steps: z.array(z.string()).optional(),
  fails: z
    .strictObject({
      where: z.string().optional(),
      what: z.string(),
      why: z.string().optional(),
      hint: z.string().optional(),
      rescued: z.literal(true).optional(),
    })
    .optional(),
  /** Words of waiting that are passed on. */
  waits: z.array(z.string()).optional(),
  /** The look itself ends with this problem. */
  lookFails: z.strictObject({ where: z.string(), why: z.string() }).optional(),
  /** All that is other than before, under /etc, /usr/local, /var/lib, /opt, /tmp, /root. */
  leaves: tree,
  /** After a failure. */
  planAfter: z.array(change).optional(),
  requests: z.array(z.string()).optional(),
  calls: z.array(z.string()).optional(),
  /** Never to be seen in a plan, an event, a problem or a shown script. */
  never: z.array(z.string()).default([]),
})
export type Case = z.output<typeof oneCase>
export type Entry = z.output<typeof entry>

const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const times = (text: string) => text.slice(text.indexOf(' ') + 1).repeat(Number.parseInt(text, 10))
const tags = [
  { tag: '!sha256', resolve: digest },
  /** `!times "3 ab"`: ababab */
  { tag: '!times', resolve: times },
  /** A file of sums as releases publish it: the digest of `new` for `app`. */
  { tag: '!sums', resolve: () => `${digest('x')}  app-arm64\n${digest('new')}  app\n${digest('y')}  app.txt\n` },
  { tag: '!sha256times', resolve: (text: string) => digest(times(text)) },
]

/** Cases by file name. */
export function loadCases(): ReadonlyMap<string, readonly Case[]> {
  const at = new URL('cases/', import.meta.url)
  return new Map(
    readdirSync(at)
      .toSorted()
      .map((name) => {
        const text = readFileSync(new URL(name, at), 'utf8')
        return [name.replace('.yaml', ''), z.array(oneCase).parse(parse(text, { customTags: tags, merge: true }))]
      }),
  )
}

/** The case with the address of the web server in place of `$URL`. */
export function withUrl(one: Case, url: string): Case {
  return oneCase.parse(JSON.parse(JSON.stringify(one).replaceAll('$URL', url)))
}

const withoutComments = (text: string) => text.replace(/^#.*\n/gm, '')

export function resourcesOf(wants: Case['wants']): HostResource[] {
  return wants.flatMap((want) => {
    if ('directory' in want) return directory(given(want.directory))
    if ('file' in want) return fileOf(want.file)
    if ('strays' in want) return strays(want.strays)
    if ('packages' in want) return packages(want.packages)
    if ('kernelModules' in want) return kernelModules(want.kernelModules)
    if ('sysctls' in want) return sysctls(want.sysctls)
    if ('download' in want) {
      const { asset, ...spec } = want.download
      return download({ ...given(spec), title: spec.path, asset: () => asset })
    }
    const { unit, inputs, health, boundSeconds } = want.service
    const files = inputs.map((input) => fileOf({ mark: disturbedMark(unit), ...input }))
    return [
      ...files,
      service({
        unit,
        inputs: files.map((resource, i) => ({ resource, path: inputs[i]?.path ?? '' })),
        health: Sh.of([health], []),
        boundSeconds,
      }),
    ]
  })
}

function fileOf({ secret, content = '', comments, ...spec }: z.output<typeof fileSpec>): HostResource {
  return file({
    ...given(spec),
    content: secret === undefined ? content : new Secret(secret),
    ...(comments === undefined ? {} : { meaning: withoutComments }),
  })
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** zod leaves optional keys as `undefined`; the specs want them absent. */
function given<T extends object>(spec: T): Given<T> {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as Given<T>
}
