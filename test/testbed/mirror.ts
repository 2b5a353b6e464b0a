// The test's side of the release mirror: starts mirror.mjs in the testbed's network, breaks requests, tells what was asked.

import { z } from 'zod'
import { type Inside, Server } from './server.ts'

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
  /** Not a byte comes back, and the connection stays. */
  | { readonly kind: 'hang' }
  /** The right number of wrong bytes. */
  | { readonly kind: 'corrupt' }
  /** The connection ends after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** Nothing more comes after so many bytes, and the connection stays. */
  | { readonly kind: 'stall'; readonly bytes: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
)

/** The faults, the requests, and the files: of k3s releases at its root, and of whatever it is asked to serve. */
export class Mirror {
  readonly #server: Server
  /** Without a slash at the end: the value of k3s_platform_k3s_mirror_url. */
  readonly url: string

  private constructor(server: Server) {
    this.#server = server
    this.url = server.url
  }

  /** Serves a directory at its root; with `tls`, a file with a certificate and its key, by https. */
  static async start(inside: Inside, dir: string, tls?: string): Promise<Mirror> {
    return new Mirror(await Server.start(inside, 'mirror.mjs', [...(tls === undefined ? [] : ['--tls', tls]), dir]))
  }

  /** All requests since the start or the last clear(), oldest first. */
  async requests(): Promise<MirrorRequest[]> {
    return Requests.parse(await this.#server.call('requests'))
  }

  /** Breaks requests until clear(). */
  async fault(fault: Fault): Promise<void> {
    await this.#server.call('fault', fault)
  }

  /** Serves another directory below `<url>/<name>/`; returns that address. */
  async serve(name: string, dir: string): Promise<string> {
    await this.#server.call('serve', { name, dir })
    return `${this.url}/${name}`
  }

  /** Forgets requests and faults. */
  async clear(): Promise<void> {
    await this.#server.call('clear')
  }

  /** Connections are refused until up(), which comes back at the same address. */
  async down(): Promise<void> {
    await this.#server.call('down')
  }

  async up(): Promise<void> {
    await this.#server.call('up')
  }

  async stop(): Promise<void> {
    await this.#server.stop()
  }
}
