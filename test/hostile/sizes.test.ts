// A node sends too much, or what no script prints: the run ends with a problem, and costs little memory and time.

import { afterEach, expect, test } from 'vitest'
import { FrameReader } from '../../src/host/frames.ts'
import { LimitError } from '../../src/host/limits.ts'
import { type ProgramRun, runAgainst } from './program.ts'
import { type HostileExec, HostileServer } from './ssh-server.ts'

let server: HostileServer
afterEach(() => server?.stop())

const PEAK_MIB = 350
const CPU_SECONDS = 20
const BIG = Buffer.alloc(64 * 1024, 'x')

function* endless(first: string, next: Buffer | string | (() => string)): Generator<Buffer | string> {
  yield first
  for (;;) yield typeof next === 'function' ? next() : next
}

/** What comes for a nonce. */
type Lie = (nonce: string) => Iterable<Buffer | string>
const lies: Record<string, Lie> = {
  'a frame that never ends': (nonce) => endless(`\n@${nonce} b 0\n`, BIG),
  'a stderr part that never ends': (nonce) => endless(`\n@${nonce} b 0\n\n@${nonce} x\n`, BIG),
  'a banner that never ends': () => endless('Welcome', BIG),
  'empty lines for ever': () => endless('', '\n'.repeat(65_536)),
  'a marker whose line never ends': (nonce) => endless(`\n@${nonce} b 0\n\n@${nonce} `, BIG),
  'a wait whose reason never ends': (nonce) => endless(`\n@${nonce} b 0\n\n@${nonce} w 1 `, BIG),
  'halves of markers': (nonce) => endless(`\n@${nonce} b 0\n`, `\n@${nonce}`.repeat(2000)),
  'waits for ever': (nonce) => endless(`\n@${nonce} b 0\n`, `\n@${nonce} w 1 x\n`.repeat(1000)),
  'ends of nothing': (nonce) => [`\n@${nonce} e 0 0\n\n@${nonce} z\n`],
  'a frame that begins again and again': (nonce) => endless('', `\n@${nonce} b 0\n\n@${nonce} e 0 0\n`.repeat(500)),
  'unknown verbs for ever': (nonce) => endless('', `\n@${nonce} q\n`.repeat(1000)),
  'a frame that was not sent': (nonce) => [`\n@${nonce} b 1000000\nx\n@${nonce} e 1000000 0\n\n@${nonce} z\n`],
}

test.each([
  'b -1',
  'b NaN',
  'b 1e9',
  'b 99999999999999999999',
  'b 0x0',
  'b 3',
  'b 0.5',
  'b ',
  'b __proto__',
  'b 1\n\n@n b 1',
])('no frame is "%s"', (line) => {
  expect(() => new FrameReader('n', 3, () => undefined).push(Buffer.from(`\n@n ${line}\n`))).toThrow(LimitError)
})

test.each(['e 1 -1', 'e 1 NaN', 'e 1 256', 'e 1 1e1', 'e 1', 'e 0 0', 'e 2 0', 'e 1 0\n\n@n e 1 0'])(
  'no frame ends with "%s"',
  (line) => {
    expect(() => new FrameReader('n', 3, () => undefined).push(Buffer.from(`\n@n b 1\n\n@n ${line}\n`))).toThrow(
      LimitError,
    )
  },
)

function expectRefused({ code, stdout, stderr, peakMiB, cpuSeconds }: ProgramRun): void {
  const said = stdout + stderr
  expect(code, said).toBe(1)
  expect(said).toMatch(/closed because the node sent too much data/)
  expect(said).not.toContain('internal error')
  expect(said.length).toBeLessThan(5000)
  expect(peakMiB).toBeLessThan(PEAK_MIB)
  expect(cpuSeconds).toBeLessThan(CPU_SECONDS)
}

test.each(Object.entries(lies))('%s ends the run', async (_, lie) => {
  server = await HostileServer.start({ exec: async (exec) => exec.answer(lie((await exec.script()).nonce)) })
  expectRefused(await runAgainst(server, ['doctor']))
})

test('a plan ends likewise', async () => {
  const lie = lies['a frame that never ends']
  server = await HostileServer.start({ exec: async (exec) => exec.answer(lie?.((await exec.script()).nonce) ?? []) })
  expectRefused(await runAgainst(server, ['plan', 'k3s_platform_bootstrap']))
})

async function floodStderr({ channel }: HostileExec): Promise<void> {
  channel.stderr.on('error', () => undefined)
  while (channel.writable) {
    void channel.stderr.write(BIG)
    await new Promise(setImmediate)
    while (channel.writable && channel.stderr.writableNeedDrain) await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a stderr that never ends is cut off', async () => {
  server = await HostileServer.start({ exec: floodStderr })
  expectRefused(await runAgainst(server, ['doctor']))
})

test('packets of one byte are counted as what they cost', async () => {
  server = await HostileServer.start({
    exec: async (exec) => {
      const { nonce } = await exec.script()
      await exec.answer(endless(`\n@${nonce} b 0\n`, 'x'))
    },
  })
  expectRefused(await runAgainst(server, ['doctor']))
})

test('the same holds through the system ssh', async () => {
  const lie = lies['a frame that never ends']
  server = await HostileServer.start({ exec: async (exec) => exec.answer(lie?.((await exec.script()).nonce) ?? []) })
  expectRefused(await runAgainst(server, ['doctor'], { vars: { k3s_platform_ssh_transport: 'openssh' } }))
})
