// The same cases through the real Ansible: where it is installed, the two must agree on variables, groups and patterns.

import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Inventory } from '../../src/inventory/load.ts'
import { selectHosts } from '../../src/inventory/pattern.ts'
import { plain, type Variables } from '../../src/inventory/value.ts'
import { type Case, cases, load, unpack } from './case.ts'

const lister = 'ansible-inventory'

const installed = (() => {
  try {
    execFileSync(lister, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** Ansible refuses, warns or has no such thing where we have problems or an extension of our own. */
const comparable = cases.filter(({ given }) => given.ansible === undefined || given.ansible === 'templates')

const title = installed ? 'agrees with Ansible' : 'agrees with Ansible (skipped: ansible-inventory is not installed)'

describe.skipIf(!installed)(title, () => {
  test.each(comparable)('$topic: $title', { timeout: 60_000 }, async ({ given }) => {
    const cwd = unpack(given)
    try {
      const inventory = await load(given, cwd)
      expect(inventory.problems.filter(({ kind }) => kind === 'usage')).toEqual([])
      const theirs = listed(given, cwd)
      expect(groupsOf(inventory)).toEqual(theirs.groups)
      const ours = given.ansible === 'templates' ? templated : written
      expect(ours(inventory)).toEqual(given.ansible === 'templates' ? debugged(given, cwd, inventory) : theirs.hosts)
      expect(selected(given, inventory)).toEqual(playHosts(given, cwd))
    } finally {
      rmSync(cwd, { recursive: true })
    }
  })
})

const written = (inventory: Inventory) =>
  Object.fromEntries(inventory.hosts.map((host) => [host.name, unpositioned(host.written)]))

const unpositioned = (variables: Variables) =>
  Object.fromEntries([...variables].map(([name, value]) => [name, plain(value)]))

/** Without the variables whose templates are mistakes. */
function templated(inventory: Inventory) {
  const entries = inventory.hosts.map((host) => {
    const values = [...host.names()].flatMap((name) => {
      const { value } = host.get(name)
      return value === undefined ? [] : [[name, plain(value)]]
    })
    return [host.name, Object.fromEntries(values)]
  })
  return Object.fromEntries(entries)
}

const groupsOf = (inventory: Inventory) =>
  Object.fromEntries([...inventory.groups.values()].map((group) => [group.name, [...group.hosts].sort()]))

function selected(given: Case, inventory: Inventory) {
  return given.patterns.map((pattern) => [
    pattern,
    selectHosts(inventory, pattern)
      .hosts.map((host) => host.name)
      .sort(),
  ])
}

function ansible(program: string, args: readonly string[], given: Case, cwd: string): string {
  const flags = [...given.sources.flatMap((source) => ['-i', source]), ...given.extra.flatMap((text) => ['-e', text])]
  return execFileSync(program, [...args, ...flags], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      LC_ALL: 'C.UTF-8',
      ANSIBLE_JINJA2_NATIVE: 'True',
      // Its default list without .ini, which our directories may hold, and with the lock file.
      ANSIBLE_INVENTORY_IGNORE: '.pyc,.pyo,.swp,.bak,~,.rpm,.md,.txt,.rst,.orig,.cfg,.retry,.lock',
      ...given.env,
      // A case may set HOME to a directory that nobody may make here.
      ANSIBLE_HOME: join(cwd, '.ansible'),
    },
  })
}

const Listing = z.intersection(
  z.object({ _meta: z.object({ hostvars: z.record(z.string(), z.record(z.string(), z.unknown())) }) }),
  z.record(
    z.string(),
    z.object({ hosts: z.array(z.string()).default([]), children: z.array(z.string()).default([]) }).loose(),
  ),
)

function listed(given: Case, cwd: string) {
  const { _meta, ...rest } = Listing.parse(JSON.parse(ansible(lister, ['--list', '--playbook-dir', '.'], given, cwd)))
  const members = (name: string): string[] => [
    ...(rest[name]?.hosts ?? []),
    ...(rest[name]?.children ?? []).flatMap(members),
  ]
  const names = [...new Set([...Object.keys(rest), ...Object.values(rest).flatMap(({ children }) => children)])]
  const groups = Object.fromEntries(names.map((name) => [name, [...new Set(members(name))].sort()]))
  const hosts = Object.fromEntries(members('all').map((name) => [name, safe(_meta.hostvars[name] ?? {})]))
  return { groups, hosts }
}

/** Its mark for values that are not templates, removed. */
function safe(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(safe)
  if (typeof value !== 'object' || value === null) return value
  if ('__ansible_unsafe' in value) return value.__ansible_unsafe
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, safe(item)]))
}

function debugged(given: Case, cwd: string, inventory: Inventory) {
  const [host] = inventory.hosts
  const names = Object.keys(host === undefined ? {} : templated(inventory)[host.name])
  const task = {
    hosts: 'all',
    gather_facts: false,
    tasks: [{ debug: { msg: `{{ {${names.map((n) => `'${n}': ${n}`).join(', ')}} }}` } }],
  }
  writeFileSync(join(cwd, 'debug.json'), JSON.stringify([task]))
  const out = ansible('ansible-playbook', ['debug.json'], given, cwd)
  const found = out.matchAll(/^ok: \[(.*)\] => (\{[\s\S]*?^\})$/gm)
  return Object.fromEntries([...found].map(([, name = '', json = '']) => [name, JSON.parse(json).msg]))
}

/** One playbook with a play for every pattern: one start of Ansible for all. */
function playHosts(given: Case, cwd: string) {
  if (given.patterns.length === 0) return []
  writeFileSync(join(cwd, 'plays.json'), JSON.stringify(given.patterns.map((hosts) => ({ hosts, tasks: [] }))))
  const plays = ansible('ansible-playbook', ['--list-hosts', 'plays.json'], given, cwd)
    .split(/^\s*play #/m)
    .slice(1)
  const hosts = plays.map((play) => [...play.matchAll(/^ {6}(\S.*)$/gm)].map(([, name = '']) => name).sort())
  return given.patterns.map((pattern, i) => [pattern, hosts[i]])
}
