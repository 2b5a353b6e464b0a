import { expect, test } from 'vitest'
import { diagnose, type Row } from '../../src/diagnosis/diagnose.ts'

const rows: readonly Row[] = [
  { name: 'key', pattern: /denied/, when: { mode: 'ssh' }, cause: '{server} refuses the key', example: '' },
  { name: 'login', pattern: /denied: (.*)/, cause: '{server} says $1, in all: $0', hint: 'ask {owner}', example: '' },
  { name: 'late', pattern: /denied|late/, cause: 'too late', example: '' },
]

test('the first row whose pattern occurs answers', () => {
  expect(diagnose(rows, { text: 'it is late' })?.name).toBe('late')
  expect(diagnose(rows, { text: 'fine' })).toBeUndefined()
})

test('a row that asks for a value answers only where the evidence has it', () => {
  expect(diagnose(rows, { text: 'denied: x', values: { mode: 'ssh', server: 'git' } })?.cause).toBe(
    'git refuses the key',
  )
  expect(diagnose(rows, { text: 'denied: x', values: { mode: 'https' } })?.name).toBe('login')
})

test('what a server said is filled in and never read as a placeholder', () => {
  const { cause, hint } = diagnose(rows, { text: 'denied: {owner} $1 $0', values: { server: '$1', owner: 'me' } }) ?? {}
  expect(cause).toBe('$1 says {owner} $1 $0, in all: denied: {owner} $1 $0')
  expect(hint).toBe('ask me')
})
