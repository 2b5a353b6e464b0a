// The shell type: every value arrives as it was given, under every shell; secrets travel but do not show.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is shell that is meant

import { spawnSync } from 'node:child_process'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/engine/secret.ts'
import { lines, quote, script, sh } from '../../src/host/sh.ts'

const VALUES: Readonly<Record<string, string>> = {
  'a plain word': 'word',
  'nothing at all': '',
  'a space': 'two words',
  'single quotes': "it's 'quoted' ''twice''",
  'double quotes': 'say "hi"',
  'line breaks, one of them last': 'a\n\nb\n',
  'a carriage return and a tab': 'a\r\tb',
  backslashes: '\\n \\\\ \\',
  'a dollar': '$HOME ${HOME} $(id) $1 $$',
  backticks: '`id`',
  'an exclamation mark': 'wow!! !x',
  wildcards: '* ? [a-z] ~ {a,b}',
  'a leading dash': '-n',
  'two dashes': '--',
  'a leading tilde': '~root',
  'an assignment': 'A=b',
  'shell words': 'a; b & c | d > e < f # g',
  'percent signs': '%s %% %n',
  unicode: 'größe 日本語 🚀 \u202e',
  'control bytes': '\x01\x1b[31m\x7f',
  '64 KB': `${"it's $x\n".repeat(8192)}end`,
}

const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  bash: ['bash', '--posix'],
  busybox: ['busybox', 'sh'],
}

describe.each(Object.entries(SHELLS))('under %s', (_, [command = '', ...args]) => {
  test('every value arrives byte by byte, alone and in a list', () => {
    const values = Object.values(VALUES)
    const script = lines([
      ...values.map((value) => sh`printf '%s\0' ${value}`),
      sh`show() { for v; do printf '%s\0' "$v"; done; }`,
      sh`show ${values}`,
      sh`x=${values[4] ?? ''}; printf '%s\0' "$x"`,
    ])
    const { stdout, stderr } = spawnSync(command, args, { input: script.reveal() })
    expect(stderr.toString()).toBe('')
    expect(stdout.toString().split('\0').slice(0, -1)).toEqual([...values, ...values, values[4]])
  })
})

test.each([
  ['a backslash stays as it is written', sh`printf 'a\n\\'`, "printf 'a\\n\\\\'"],
  ["a file keeps the shell's own braces", script('echo "${x%/*}"'), 'echo "${x%/*}"'],
  ['a name in a file becomes its value', script('f @a@ "$@" x@b.c @a@', { a: 'b c' }), `f 'b c' "$@" x@b.c 'b c'`],
  ['a list in a file becomes words', script('f @all@', { all: ['a b', 1, sh`$x`] }), "f 'a b' 1 $x"],
  ['a script in a script is put in as it is', sh`a; ${sh`b "$c"`}`, 'a; b "$c"'],
  ['a number is a word', sh`exit ${3}`, 'exit 3'],
  ['an empty list is no word', sh`f ${[]} x`, 'f  x'],
  ['an empty string is a word', sh`f ${''} x`, "f '' x"],
  ['a list becomes words', sh`f ${['a b', 1, sh`$x`]}`, "f 'a b' 1 $x"],
])('%s', (_, remote, wire) => {
  expect(remote.reveal()).toBe(wire)
})

test('a name without a value is refused, and a value without a name', () => {
  expect(() => script('f @a@ @b@', { a: 1 })).toThrow('needs a value for b')
  expect(() => script('f @a@', { a: 1, b: 2 })).toThrow('does not use b')
})

test('a NUL byte is refused: no shell could carry it', () => {
  expect(() => quote('a\0b')).toThrow('NUL')
})

test('a secret travels and does not show, however deep it is', () => {
  const secret = new Secret("s3cr'et")
  const script = lines([sh`printf %s ${secret}`, sh`f ${['x', secret, sh`${secret}`]}`])
  expect(script.reveal()).toBe("printf %s 's3cr'\\''et'\nf x 's3cr'\\''et' 's3cr'\\''et'")
  expect(String(script)).toBe('printf %s ***\nf x *** ***')
  for (const shown of [
    String(script),
    inspect(script),
    inspect({ script, secret }),
    JSON.stringify({ script, secret }),
  ])
    expect(shown).not.toMatch(/s3cr/)
})
