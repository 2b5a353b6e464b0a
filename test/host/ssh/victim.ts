// A program for a test to kill: logs in, runs `cat` over there, says so, and never ends by itself.

import { connect } from '../../../src/host/ssh/connect.ts'

const transport = await connect({
  name: 'edge-1',
  host: '127.0.0.1',
  port: Number(process.env.VICTIM_PORT),
  user: process.env.VICTIM_USER,
  privateKeyFile: process.env.VICTIM_KEY,
  sshCommonArgs: [],
  transport: process.env.VICTIM_TRANSPORT === 'openssh' ? 'openssh' : 'node-ssh',
  connection: 'ssh',
  timeoutMs: 10_000,
  hostKey: [process.env.VICTIM_PIN ?? ''],
  hostKeyPolicy: 'strict',
  env: process.env,
  home: process.env.HOME ?? '/',
})
const channel = await transport.exec(`/bin/sh -c 'echo up; cat'`)
channel.stderr.resume()
channel.stdout.pipe(process.stdout)
