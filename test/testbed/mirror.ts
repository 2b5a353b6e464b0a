// The test's side of the release mirror: starts mirror.mjs in the testbed's network, breaks requests, tells what was asked.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const Requests = z.array(
  z.object({
    method: z.string(),
    /** Decoded, as in /v1.36.5+k3s1/k3s. */
    path: z.string(),
    /** The Range header. */
    range: z.string().nullable(),
    /** 0 while nothing was answered. */
    status: z.number(),
    /** Of the file, as far as they were sent by now. */
    bytes: z.number(),
    /** The kind of the fault that was played, or null. */
    fault: z.string().nullable(),
  }),
)
export type MirrorRequest = z.infer<typeof Requests>[number]

/** How requests whose decoded path ends in `path` go wrong, `times` times (default: always). The first fault that matches is played. */
export type Fault = { readonly path: string; readonly times?: number } & (
  | { readonly kind: 'status'; readonly status: number }
  /** To a place that has it: a client must follow, as it must for GitHub's releases. */
  | { readonly kind: 'redirect' }
  /** The right number of wrong bytes. */
  | { readonly kind: 'corrupt' }
  /** The connection ends after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** Nothing more comes after so many bytes, and the connection stays. */
  | { readonly kind: 'stall'; readonly bytes: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
)

const Message = z.union([z.object({ url: z.string() }), z.object({ id: z.number(), result: z.unknown() })])

/** One mirror process per testbed, so that the requests and faults of tests that run side by side do not mix. */
export class Mirror {
  readonly #child: ChildProcess
  #calls = 0
  /** Without a slash at the end: the value of k3s_platform_k3s_mirror_url. */
  readonly url: string

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  /** Serves a directory in the layout of k3s's releases; `inside` is the command prefix that enters the network namespace. */
  static async start(inside: readonly [string, ...string[]], releases: string): Promise<Mirror> {
    const [command, ...prefix] = inside
    const script = fileURLToPath(new URL('mirror.mjs', import.meta.url))
    const child = spawn(command, [...prefix, process.execPath, script, releases], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('the mirror ended at its start')))
    const message = Message.parse((await Promise.race([once(child, 'message'), ended]))[0])
    ended.catch(() => {}) // from now on its end is what stop asks for
    if (!('url' in message)) throw new Error('the mirror did not say where it listens')
    return new Mirror(child, message.url)
  }

  /** All requests since the start or the last clear(), oldest first. */
  async requests(): Promise<MirrorRequest[]> {
    return Requests.parse(await this.#call('requests'))
  }

  /** Breaks requests until clear(). */
  async fault(fault: Fault): Promise<void> {
    await this.#call('fault', fault)
  }

  /** Serves another directory below `<url>/<name>/`; returns that address. */
  async serve(name: string, dir: string): Promise<string> {
    await this.#call('serve', { name, dir })
    return `${this.url}/${name}`
  }

  /** Forgets requests and faults. */
  async clear(): Promise<void> {
    await this.#call('clear')
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    await exit
  }

  #call(call: string, argument?: object): Promise<unknown> {
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      const take = (raw: unknown) => {
        const message = Message.parse(raw)
        if (!('id' in message) || message.id !== id) return
        this.#child.off('message', take)
        resolve(message.result)
      }
      this.#child.on('message', take)
      this.#child.send({ id, call, argument }, (error) => error === null || reject(error))
    })
  }
}
