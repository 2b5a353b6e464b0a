// A session with one host: its connection, the root shell, and the two backends that use them.

import { hostname, userInfo } from 'node:os'
import { type PlatformSession, platformBackend } from '../cluster/backend.ts'
import type { Emit } from '../engine/events.ts'
import { hostBackend } from '../host/backend.ts'
import { type OnExec, rootShell, STEP_MS } from '../host/root-shell.ts'
import { connect } from '../host/ssh/connect.ts'
import type { AskSecret } from '../host/ssh/identities.ts'
import type { Transport } from '../host/transport.ts'
import type { Connection } from '../inventory/index.ts'
import type { Asset } from '../supply/asset.ts'
import type { Cached } from '../supply/cache.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'

/** A session that also opens streams to what the host can reach. */
export type HostSession = PlatformSession & Pick<Transport, 'forward'>

/** What of a run a session needs. */
interface Run {
  readonly options: CliOptions
  readonly io: Io
  readonly emit: Emit
  readonly fetch: (asset: Asset, signal: AbortSignal) => Promise<Cached>
  readonly askSecret: AskSecret
}

const LOOK_MS = 120_000
/** --timeout can only shorten it. */
const LOCK_MS = 60_000
/** Of many deploys that ensure their domains at the same time, each waits for those before it. */
const QUEUE_MS = 300_000

/** `kubeconfig`: the path on the node, asked for when a cluster resource is looked at. */
export async function session(
  host: string,
  connection: Connection,
  kubeconfig: () => string,
  { options, io, emit, fetch, askSecret }: Run,
  signal: AbortSignal,
): Promise<HostSession> {
  const { env } = io
  const opened = io.now()
  const transport = await connect({
    ...connection,
    name: host,
    hostKey: connection.hostKeys,
    timeoutMs: connection.timeout * 1000,
    knownHostsText: env.K3S_PLATFORM_SSH_KNOWN_HOSTS,
    env,
    home: env.HOME ?? '',
    // Where nobody can be asked, the login says which key of which host it is that cannot be opened.
    askSecret,
    onWait: (why) => emit({ at: io.now(), event: 'busy', host, doing: why }),
    signal,
  })
  const become = { user: connection.user, become: connection.become, password: connection.becomePassword }
  const onExec: OnExec = ({ number, what, script }) => {
    if (options.verbosity >= 3 || options.events !== null) {
      emit({ at: io.now(), event: 'wire', host, exec: number, what, script })
    }
  }
  // A step can wait twice: for what it has changed, and for what it puts back.
  const shell = rootShell(transport, host, become, onExec, Math.max(STEP_MS, 3 * (options.timeoutMs ?? 0)))
  const lockMs = options.command === 'certs' ? QUEUE_MS : LOCK_MS
  const backend = hostBackend({
    host,
    shell,
    holder: () =>
      `${userInfo().username}@${hostname()}, process ${process.pid}, since ${new Date(opened).toISOString()}`,
    fetch,
    now: io.now,
    lookMs: options.timeoutMs ?? LOOK_MS,
    waitSeconds: Math.ceil(Math.min(options.timeoutMs ?? lockMs, lockMs) / 1000),
    waiting: (why) => emit({ at: io.now(), event: 'busy', host, doing: why }),
  })
  const { forward } = transport
  const boundSeconds = options.timeoutMs === null ? undefined : Math.ceil(options.timeoutMs / 1000)
  return Object.assign(platformBackend(backend, { host, kubeconfig, forward, now: io.now, boundSeconds }), { forward })
}
