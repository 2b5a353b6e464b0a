// One server process of the testbed (mirror.mjs, acme.mjs, relay.mjs): started in its network, called over IPC, ended with the test.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/** The command prefix that enters the testbed's network namespace. */
export type Inside = readonly [string, ...string[]]

const Message = z.union([z.object({ url: z.string() }), z.object({ id: z.number(), result: z.unknown() })])

/** A server of its own per testbed, so that requests and faults of tests that run side by side do not mix. */
export class Server {
  readonly #child: ChildProcess
  #calls = 0
  /** Where it listens, without a slash at the end. */
  readonly url: string

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  /** Starts a script beside this file; throws if it ends before it listens. */
  static async start(inside: Inside, script: string, args: readonly string[]): Promise<Server> {
    const [command, ...prefix] = inside
    const file = fileURLToPath(new URL(script, import.meta.url))
    const child = spawn(command, [...prefix, process.execPath, file, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${script} ended at its start`)))
    const message = Message.parse((await Promise.race([once(child, 'message'), ended]))[0])
    ended.catch(() => {}) // from now on its end is what stop asks for
    if (!('url' in message)) throw new Error(`${script} did not say where it listens`)
    return new Server(child, message.url)
  }

  /** Ends it; more than once is fine. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.disconnect()
    await exit
  }

  /** Calls one of the script's `calls` and returns its answer. */
  call(call: string, argument?: object): Promise<unknown> {
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
