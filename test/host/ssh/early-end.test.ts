// A command whose end comes in the same packet of the network as its beginning, as on a busy machine.

import { expect, test } from 'vitest'
import { connect } from '../../../src/host/ssh/connect.ts'
import { HostileServer } from '../../hostile/ssh-server.ts'
import { gather } from './client.ts'

test('the exit code of a command that ended at once is not missed', async () => {
  const server = await HostileServer.start({
    exec: ({ channel }) => {
      channel.write('out')
      channel.exit(7)
      channel.end()
    },
  })
  const transport = await connect({
    name: 'edge-1',
    host: server.host,
    port: server.port,
    user: server.user,
    privateKeyFile: server.privateKeyFile,
    sshCommonArgs: [],
    transport: 'node-ssh',
    connection: 'ssh',
    timeoutMs: 10_000,
    hostKey: [server.hostKey],
    hostKeyPolicy: 'strict',
    env: { PATH: process.env.PATH, LANG: 'C' },
    home: server.dir,
  })
  for (let i = 0; i < 20; i++) {
    const { code, stdout } = await gather(await transport.exec('true'))
    expect([code, String(stdout)]).toEqual([7, 'out'])
  }
  await transport.close()
  await server.stop()
})
