// Holds the order of the rooms: an import points downward. LEVELS and BANS are all of the rules; CONTRIBUTING.md states them
// in words, and a test compares the two.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** From the top to the bottom. A room imports from levels below its own and from itself; the longest name that fits counts. */
export const LEVELS = [
  ['src/cli'],
  ['roles/index.ts'],
  ['roles/k3s_platform_addon', 'roles/k3s_platform_bootstrap'],
  ['roles/handoff'],
  ['roles/k3s'],
  ['roles/rules'],
  ['roles'],
  ['src/gitops', 'src/vault'],
  ['src/cluster'],
  ['src/host'],
  ['src/supply', 'src/kubeconfig', 'src/inventory', 'src/report', 'src/certificates'],
  ['src/files'],
  ['src/engine', 'src/diagnosis', 'templates'],
]

/** Of no room, and for all: the version. */
const EVERYWHERE = ['package.json']

/** What a room does not import even though it is below. */
export const BANS = [
  {
    from: ['roles'],
    to: ['src/inventory', 'src/report', 'src/host/ssh', 'src/host/transport.ts', 'src/host/root-shell.ts'],
    why: 'a role imports only builders',
  },
  {
    from: ['src/host/kinds'],
    to: ['src/host/ssh', 'src/host/transport.ts', 'src/host/root-shell.ts', 'src/host/backend.ts'],
    why: 'a kind returns shell and never runs it',
  },
]

const isIn = (room, path) => path === room || path.startsWith(`${room}/`)

/** The room of a file, with its level; undefined: it is in none. */
function placeOf(path) {
  const places = LEVELS.flatMap((rooms, level) => rooms.map((room) => ({ room, level })))
  return places.filter(({ room }) => isIn(room, path)).toSorted((a, b) => b.room.length - a.room.length)[0]
}

/** Why the file `from` may not import the file `to`, both from the top of the checkout; undefined: it may. */
export function problemOf(from, to) {
  if (EVERYWHERE.includes(to)) return undefined
  const [source, target] = [placeOf(from), placeOf(to)]
  if (!source || !target)
    return `${source ? to : from} is in no room: add its room to LEVELS in scripts/check-rooms.mjs`
  if (source.room !== target.room && source.level >= target.level)
    return `${target.room} is not below ${source.room}: imports point downward, CONTRIBUTING.md has the order`
  return BANS.find((ban) => ban.from.some((room) => isIn(room, from)) && ban.to.some((room) => isIn(room, to)))?.why
}

/** What a source imports from other files of this project: types, too, and what is loaded late. */
export function importsOf(path, source) {
  const found = source.matchAll(/^(?:import|export)\b[^'"`;]*?'(\.[^']*)'|\bimport\('(\.[^']*)'\)/gm)
  return [...found].map(([, early, late]) => join(dirname(path), (early ?? late ?? '').replace(/\?.*/, '')))
}

function check(root) {
  const files = ['src', 'roles', 'templates'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(top, name)),
  )
  const problems = files.flatMap((from) =>
    importsOf(from, readFileSync(join(root, from), 'utf8')).flatMap((to) => {
      const problem = problemOf(from, to)
      return problem ? [`${from} imports ${to}: ${problem}`] : []
    }),
  )
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.exitCode = problems.length > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) check(fileURLToPath(new URL('..', import.meta.url)))
