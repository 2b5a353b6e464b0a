// Serves opened private keys to one ssh process as an SSH agent of its own, so that ssh never has to ask for a passphrase.

import { sign } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { ParsedKey } from 'ssh2'

// spec: https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent
const FAILURE = 5
const REQUEST_IDENTITIES = 11
const IDENTITIES_ANSWER = 12
const SIGN_REQUEST = 13
const SIGN_RESPONSE = 14
const RSA_SHA2_256 = 2
const RSA_SHA2_512 = 4
/** As in OpenSSH's agent. */
const MAX_FRAME_BYTES = 256 * 1024

/**
 * Listens at `path`, which must be in a directory that only this user can enter. What is not about `keys` goes to the
 * user's own agent, so that its keys work as before. The agent ends with this process, however that ends.
 */
export function servePrivateAgent(
  path: string,
  keys: readonly ParsedKey[],
  userAgent: string | undefined,
): Promise<Server> {
  const server = createServer((socket) => {
    // A client that leaves in the middle of a request concerns nobody else.
    serveClient(socket, keys, userAgent).catch(() => socket.destroy())
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

async function serveClient(socket: Socket, keys: readonly ParsedKey[], userAgent: string | undefined): Promise<void> {
  socket.on('error', () => {})
  const upstream = userAgent === undefined ? undefined : connect(userAgent)
  upstream?.on('error', () => {})
  const answers = upstream && readFrames(upstream)
  const askUserAgent = async (request: Buffer): Promise<Buffer | undefined> => {
    if (upstream === undefined || upstream.destroyed) return undefined
    upstream.write(frame(request))
    return answers?.next().then(
      ({ value }) => value ?? undefined,
      () => undefined,
    )
  }
  try {
    for await (const request of readFrames(socket)) socket.write(frame(await answer(request, keys, askUserAgent)))
  } finally {
    socket.destroy()
    upstream?.destroy()
  }
}

async function answer(
  request: Buffer,
  keys: readonly ParsedKey[],
  askUserAgent: (request: Buffer) => Promise<Buffer | undefined>,
): Promise<Buffer> {
  if (request[0] === REQUEST_IDENTITIES) return identities(keys, await askUserAgent(request))
  if (request[0] === SIGN_REQUEST) {
    const [blob, data, flags] = signRequest(request)
    const key = keys.find((one) => one.getPublicSSH().equals(blob))
    if (key) return signature(key, data, flags)
  }
  return (await askUserAgent(request)) ?? Buffer.of(FAILURE)
}

function identities(keys: readonly ParsedKey[], others: Buffer | undefined): Buffer {
  const listed = others?.[0] === IDENTITIES_ANSWER && others.length >= 5 ? others : undefined
  const own = keys.flatMap((key) => [string(key.getPublicSSH()), string(Buffer.from(key.comment ?? ''))])
  const count = uint32(keys.length + (listed?.readUInt32BE(1) ?? 0))
  return Buffer.concat([Buffer.of(IDENTITIES_ANSWER), count, ...own, ...(listed ? [listed.subarray(5)] : [])])
}

function signRequest(request: Buffer): [blob: Buffer, data: Buffer, flags: number] {
  const dataAt = 5 + request.readUInt32BE(1)
  const flagsAt = dataAt + 4 + request.readUInt32BE(dataAt)
  return [request.subarray(5, dataAt), request.subarray(dataAt + 4, flagsAt), request.readUInt32BE(flagsAt)]
}

function signature(key: ParsedKey, data: Buffer, flags: number): Buffer {
  const scheme = signatureScheme(key.type, flags)
  if (scheme === undefined) return Buffer.of(FAILURE)
  const raw = sign(scheme.hash, data, { key: key.getPrivatePEM(), dsaEncoding: 'ieee-p1363' })
  const half = raw.length / 2
  const encoded = key.type.startsWith('ecdsa-')
    ? Buffer.concat([mpint(raw.subarray(0, half)), mpint(raw.subarray(half))])
    : raw
  return Buffer.concat([
    Buffer.of(SIGN_RESPONSE),
    string(Buffer.concat([string(Buffer.from(scheme.name)), string(encoded)])),
  ])
}

/** SHA-1 is never used: ssh asks for one of the two flags. */
function signatureScheme(type: string, flags: number): { name: string; hash: string | null } | undefined {
  switch (type) {
    case 'ssh-rsa':
      if (flags & RSA_SHA2_512) return { name: 'rsa-sha2-512', hash: 'sha512' }
      return flags & RSA_SHA2_256 ? { name: 'rsa-sha2-256', hash: 'sha256' } : undefined
    case 'ssh-ed25519':
      return { name: type, hash: null }
    case 'ecdsa-sha2-nistp256':
      return { name: type, hash: 'sha256' }
    case 'ecdsa-sha2-nistp384':
      return { name: type, hash: 'sha384' }
    case 'ecdsa-sha2-nistp521':
      return { name: type, hash: 'sha512' }
    default:
      return undefined
  }
}

async function* readFrames(socket: Socket): AsyncGenerator<Buffer, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0)
      if (length === 0 || length > MAX_FRAME_BYTES) return
      if (rest.length < 4 + length) break
      yield rest.subarray(4, 4 + length)
      rest = rest.subarray(4 + length)
    }
  }
  return undefined
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function string(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes])
}

const frame = string

/** A positive number without leading zeros, and with one where its first bit would be a sign. */
function mpint(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const value = start < 0 ? Buffer.alloc(0) : bytes.subarray(start)
  return string((value[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), value]) : value)
}
