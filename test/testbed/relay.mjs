// A TCP relay that makes a link slow: every byte, in both directions, arrives half of the round trip later.
//
//   node relay.mjs --listen 10.88.0.1:0 --to 10.88.0.11:22 --delay 40     # milliseconds of a round trip
//
// Started with an IPC channel, for testbed.ts. A timer per chunk, in order; there is no limit to what is under way.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { listen: { type: 'string', default: '10.88.0.1:0' }, to: { type: 'string' }, delay: { type: 'string' } },
})
const [host, wanted] = values.listen.split(':')
const [toHost, toPort] = values.to.split(':')
const half = Number(values.delay) / 2

function carry(from, to) {
  from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), half))
  from.on('end', () => setTimeout(() => to.end(), half))
  from.on('error', () => to.destroy())
  from.on('close', () => setTimeout(() => to.destroy(), half + 1000))
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ host: toHost, port: Number(toPort), allowHalfOpen: true, noDelay: true })
  carry(near, far)
  carry(far, near)
})
process.on('disconnect', () => process.exit(0))
await once(server.listen(Number(wanted), host), 'listening')
process.send({ url: `tcp://${host}:${server.address().port}` })
