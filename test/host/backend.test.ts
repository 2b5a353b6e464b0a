// The backend on a real shell: what the wire carries, the lock, and how work ends before its end.

import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Applying, PendingChange, StepReport } from '../../src/engine/resource.ts'
import { run, type Session } from '../../src/engine/runner.ts'
import { Secret } from '../../src/engine/secret.ts'
import { hostBackend } from '../../src/host/backend.ts'
import type { Facts } from '../../src/host/facts.ts'
import { download } from '../../src/host/kinds/download.ts'
import { file } from '../../src/host/kinds/file.ts'
import type { HostResource, Step } from '../../src/host/resource.ts'
import { rootShell } from '../../src/host/root-shell.ts'
import { type Sh, sh } from '../../src/host/sh.ts'
import type { Channel, Transport } from '../../src/host/transport.ts'
import { noSandbox, type Sandbox, SHELLS, sandbox } from './shells.ts'

vi.setConfig({ testTimeout: 20_000 })
const never = new AbortController().signal
const why = noSandbox()
if (why !== undefined) console.warn(`SKIPPED: the backend was not tried: ${why}`)

interface Opened {
  readonly session: Session<HostResource, Facts>
  readonly waits: string[]
  readonly shown: string[]
  readonly channels: Channel[]
}

function open(at: Sandbox, holder = 'ana from here', waitSeconds = 5): Opened {
  const waits: string[] = []
  const shown: string[] = []
  const channels: Channel[] = []
  const transport: Transport = {
    ...at.transport,
    exec: async (command) => {
      const channel = await at.transport.exec(command)
      channels.push(channel)
      return channel
    },
  }
  const session = hostBackend({
    host: 'edge-1',
    shell: rootShell(transport, 'edge-1', { user: 'root' }, ({ script }) => shown.push(script)),
    holder: () => holder,
    fetch: () => Promise.reject(new Error('nothing to fetch')),
    now: Date.now,
    lookMs: 10_000,
    waitSeconds,
    waiting: (reason) => waits.push(reason),
  })
  return { session, waits, shown, channels }
}

/** A thing of which there is only a probe and steps. */
function thing(id: string, steps: readonly (Sh | Step)[], probe: Sh = sh`:`): HostResource {
  return {
    id,
    title: id,
    probe,
    read: ({ text }) => ({ actual: text === '' ? null : { is: text } }),
    desired: () => ({ is: 'made' }),
    steps: () => steps.map((step, i) => ('reveal' in step ? { title: `${id} ${i}`, run: step } : step)),
  }
}

const change = (resource: HostResource): PendingChange<HostResource> => ({
  resource,
  actual: null,
  desired: { is: 'made' },
})

function applying(some: Partial<Applying> = {}): { readonly how: Applying; readonly steps: StepReport[] } {
  const steps: StepReport[] = []
  return { steps, how: { stop: never, signal: never, step: (report) => steps.push(report), ...some } }
}

const problemsOf = (work: Promise<unknown>) =>
  work.then(
    () => [],
    (error: unknown) => (error instanceof ProblemError ? error.problems : [{ what: `no problem: ${error}` }]),
  )

describe.skipIf(why !== undefined).each(SHELLS)('under %s', (shell) => {
  let at: Sandbox
  beforeAll(async () => {
    at = await sandbox(shell)
  })
  afterAll(() => at?.close())

  test('a run makes it so with few execs, and the next one needs one', async () => {
    at.reset()
    const resources = [
      file({ path: '/etc/a.conf', content: "it's a\n" }),
      file({ path: '/etc/token', content: new Secret('s3cret'), mode: '600' }),
    ]
    const runs = async () => {
      const { session, shown } = open(at)
      const events: Event[] = []
      const stage = { role: 'r', name: 's', resources }
      const target = {
        host: 'edge-1',
        stages: [stage],
        connect: async () => session,
        preflight: () => [],
        checks: 0,
        about: () => '',
      }
      const options = { mode: 'apply', forks: 1, roles: [], stop: never, signal: never, now: Date.now } as const
      const [result] = await run([target], { ...options, emit: (event) => events.push(event) })
      expect(JSON.stringify([events, shown])).not.toContain('s3cret')
      return result
    }
    // Look, lock, look again, the steps, look at the result.
    expect(await runs()).toMatchObject({ status: 'ok', recap: { ok: 2, changed: 2, failed: 0 }, execs: 5 })
    expect(await runs()).toMatchObject({ status: 'ok', recap: { ok: 2, changed: 0, failed: 0 }, execs: 1 })
  })

  test('probes and steps cannot harm each other, and every probe that failed is told', async () => {
    const { session } = open(at)
    const rough = sh`set -eu; cd /tmp; PATH=; K=x; exec >&2; exit 0`
    const resources = [
      thing('rough', [], rough),
      thing('fails', [], sh`echo "no such thing" >&2; exit 3`),
      thing('silent', [], sh`exit 4`),
      thing('fine', [], sh`printf '%s' "$(pwd)"; tr x y </dev/null`),
    ]
    expect(await problemsOf(session.observe(resources, never))).toMatchObject([
      { where: 'edge-1 fails', what: 'its state could not be read', why: 'no such thing' },
      { where: 'edge-1 silent', what: 'its state could not be read', why: 'the probe ended with 4' },
    ])
    const well = resources.filter((r) => r.id === 'rough' || r.id === 'fine')
    expect((await session.observe(well, never)).observations.get('fine')).toMatchObject({ actual: { is: '/' } })
  })

  test('a shell that dies says what was under way', async () => {
    const { session } = open(at)
    const resources = [thing('first', []), thing('deadly', [], sh`kill -9 $$; exit 0`), thing('after', [])]
    expect(await problemsOf(session.observe(resources, never))).toMatchObject([
      { where: 'edge-1', what: expect.stringMatching(/ended during: (deadly|after)/) },
    ])
  })

  test('slow probes run beside the others, and what each prints on both streams comes to it alone', async () => {
    const { session } = open(at)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
    const loud = (id: string, run: Sh, slow: boolean): HostResource => ({
      ...thing(id, [], sh`for i in 1 2 3; do echo ${`${id}`} $i >&2; sleep 0.05; done; printf ${id}; ${run}`),
      ...(slow ? { slow } : {}),
      read: ({ bytes: out, err }) => ({ actual: { out: out.toString('latin1'), err } }),
    })
    // One waits for what another, later and not slow, makes: so they do run at the same time.
    const wait = sh`until [ -e /tmp/made ]; do sleep 0.02; done; rm /tmp/made; head -c 200000 /dev/zero | tr '\0' z`
    const resources = [
      loud('wait', wait, true),
      loud('bytes', sh`printf ${octal}`, false),
      loud('slow bytes', sh`printf ${octal}`, true),
      loud('make', sh`: >/tmp/made`, false),
    ]
    const said = (id: string) => `${id} 1\n${id} 2\n${id} 3`
    const { observations } = await session.observe(resources, never)
    const actual = (id: string) => observations.get(id)?.actual
    expect(actual('wait')).toEqual({ out: `wait${'z'.repeat(200_000)}`, err: said('wait') })
    expect(actual('make')).toEqual({ out: 'make', err: said('make') })
    for (const id of ['bytes', 'slow bytes'])
      expect(actual(id)).toEqual({ out: `${id}${bytes.toString('latin1')}`, err: said(id) })
  })

  test('what a step prints is passed on as it comes; the one that fails is the last', async () => {
    const { session } = open(at)
    await session.observe([], never)
    const lock = await session.lock(never)
    const { how, steps } = applying()
    const work = [
      thing('a', [sh`printf 'one\n'; k_wait 60 'for it'; printf 'two'`, sh`:`]),
      thing('b', [sh`cat; echo out; echo "cannot" >&2; exit 9`, sh`: >/tmp/never`]),
      thing('c', [sh`: >/tmp/never`]),
    ]
    expect(await problemsOf(session.apply(work.map(change), how))).toMatchObject([
      { where: 'edge-1 b', what: 'b 0: failed with exit code 9', why: 'cannot\n\nout' },
    ])
    expect(steps.map(({ is, resource, ...rest }) => [is, resource, ...Object.values(rest)])).toEqual([
      ['start', 'a', 'a 0'],
      ['output', 'a', 'one\n'],
      ['wait', 'a', 'for it', 60],
      ['output', 'a', 'two'],
      ['start', 'a', 'a 1'],
      ['done', 'a', 'a'],
      ['start', 'b', 'b 0'],
      ['output', 'b', 'out\n'],
    ])
    expect(at.sh('ls /tmp').stdout.toString()).toBe('')
    await lock.release()
  })

  test('what a step reads on the host reaches the workstation byte by byte, and is not passed on', async () => {
    const { session } = open(at)
    await session.observe([], never)
    const lock = await session.lock(never)
    const { how, steps } = applying()
    const saved: Buffer[] = []
    const read = sh`printf 's3cret\000\377\n\n'`
    const save = async (bytes: Buffer) => void saved.push(bytes)
    await session.apply([change(thing('a', [{ title: 'fetch it', read, save }]))], how)
    expect(Buffer.concat(saved)).toEqual(Buffer.from('s3cret\0\xff\n\n', 'latin1'))
    expect(JSON.stringify(steps)).not.toContain('s3cret')
    await lock.release()
  })

  test('Ctrl-C once: the step under way ends well, the next one is not begun', async () => {
    const { session } = open(at)
    await session.observe([], never)
    const lock = await session.lock(never)
    const stop = new AbortController()
    const { how, steps } = applying({ stop: stop.signal })
    const slow = thing('slow', [sh`k_wait 0 now; sleep 0.4; : >/tmp/slow`])
    const next = thing('next', [sh`: >/tmp/next`])
    const work = session.apply([slow, next].map(change), {
      ...how,
      step: (report) => {
        how.step(report)
        if (report.is === 'wait') stop.abort()
      },
    })
    await work
    expect(steps.map((s) => `${s.is} ${s.resource}`)).toEqual(['start slow', 'wait slow', 'done slow'])
    expect(at.sh('ls /tmp; rm /tmp/slow').stdout.toString()).toBe('slow\n')
    await lock.release()
  })

  test('Ctrl-C twice: the work ends at once, and says nothing of its own', async () => {
    const { session } = open(at)
    await session.observe([], never)
    const lock = await session.lock(never)
    const hard = new AbortController()
    const { how } = applying({ signal: hard.signal })
    const work = session.apply([change(thing('slow', [sh`k_wait 0 now; while k_alive; do sleep 0.1; done; exit 1`]))], {
      ...how,
      step: (report) => report.is === 'wait' && hard.abort(new Error('twice')),
    })
    await expect(work).rejects.toThrow('twice')
    await lock.release()
  })

  test('a second run waits for the first, is told who it is, and goes on when it is done', async () => {
    const first = open(at, 'ana from laptop since 10:00')
    const second = open(at, 'bob from ci')
    const lock = await first.session.lock(never)
    const waiting = second.session.lock(never)
    await expect
      .poll(() => second.waits, { timeout: 5000 })
      .toEqual(['another run holds the lock: ana from laptop since 10:00'])
    await lock.release()
    await (await waiting).release()
  })

  test('a lock that is not released in time is a problem that names its holder', async () => {
    const first = open(at, 'ana from laptop')
    const lock = await first.session.lock(never)
    expect(await problemsOf(open(at, 'bob', 1).session.lock(never))).toMatchObject([
      { where: 'edge-1', what: 'another run holds the lock: ana from laptop', why: expect.stringContaining('1 s') },
    ])
    await lock.release()
  })

  test('Ctrl-C ends the wait for a lock', async () => {
    const lock = await open(at, 'ana').session.lock(never)
    const hard = new AbortController()
    const second = open(at, 'bob', 60)
    const waiting = second.session.lock(hard.signal)
    await expect.poll(() => second.waits.length, { timeout: 5000 }).toBe(1)
    hard.abort(new Error('twice'))
    await expect(waiting).rejects.toThrow('twice')
    await lock.release()
  })

  test('the lock ends with its connection, and steps stop with it', async () => {
    const first = open(at)
    await first.session.observe([], never)
    await first.session.lock(never)
    first.channels.at(-1)?.stdin.end()
    await first.channels.at(-1)?.exit
    const { how } = applying()
    expect(await problemsOf(first.session.apply([change(thing('a', [sh`: >/tmp/never`]))], how))).toMatchObject([
      { where: 'edge-1 a', what: 'a 0: not started, the lock on the host was lost' },
    ])
    expect(at.sh('ls /tmp').stdout.toString()).toBe('')
    await (await open(at, 'bob', 1).session.lock(never)).release()
  })

  describe('a slow download', () => {
    let server: Server
    let asked: Promise<unknown>
    const answers: ServerResponse[] = []
    beforeAll(async () => {
      server = createServer((_, response) => {
        answers.push(response)
        response.writeHead(200, { 'content-length': 2_000_000 }).write(Buffer.alloc(1_000_000))
      })
      asked = once(server, 'request')
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    afterAll(() => {
      server.close()
      server.closeAllConnections()
    })

    test('ends on the host when the workstation is gone, and leaves its part', async () => {
      at.reset()
      const { session, channels } = open(at)
      await session.observe([], never)
      await session.lock(never)
      const { port } = server.address() as AddressInfo
      const asset = { urls: [`http://127.0.0.1:${port}/x`], sha256: 'a'.repeat(64), sums: null }
      const spec = { path: '/opt/x', title: 'x', version: 'v1', via: 'node', asset: () => asset } as const
      const work = problemsOf(session.apply([change(download(spec))], applying().how))
      await asked
      const part = () => Number(at.sh('wc -c </opt/.x.v1.part').stdout)
      await expect.poll(part, { timeout: 4000 }).toBeGreaterThan(0)
      const gone = once(answers[0] ?? server, 'close')
      channels[1]?.stdin.end() // the lock's channel: its connection is dead
      await gone
      expect(await work).toMatchObject([{ what: expect.stringContaining('the lock on the host was lost') }])
      expect(part()).toBeGreaterThan(0)
    })
  })
})
