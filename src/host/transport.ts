// What every way to a host offers: run a command with streams, forward a port, close. One connection per host.

import type { Readable, Writable } from 'node:stream'

/** One running command. Streams carry raw bytes; nothing is trimmed or decoded. */
export interface Channel {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /**
   * Resolves when the command has ended and both output streams are drained. Rejects with LinkError when the connection
   * ended first: an exit without a status (ssh2 says `null`) is a dropped link, never a success.
   */
  readonly exit: Promise<Exit>
  /** Closes this channel only; the remote command sees the end of its stdin and a closed stdout. */
  close(): void
}

/** `code` is null when a signal ended the command. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface Transport {
  /** For people: `ops@203.0.113.9:22 (ssh)`. */
  readonly title: string
  /** Starts `command`, which the login shell of the remote user reads: it may be fish or csh, so use no sh-only quoting. */
  exec(command: string): Promise<Channel>
  /** A duplex stream to host:port as seen from the remote host. */
  forward(host: string, port: number): Promise<{ readonly readable: Readable; readonly writable: Writable }>
  /** Ends the connection at once and frees everything that it holds on this machine. Safe to call twice. */
  close(): Promise<void>
}

/** The link was there and is not any more: `what` says what was in flight as far as the transport knows. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
}
