// The hostile SSH server itself: when it is told no lies it is a node like any other, and its lies arrive.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { programHome, runAgainst, runProgram, writeInventory } from './program.ts'
import { HostileServer } from './ssh-server.ts'

let server: HostileServer | undefined
afterEach(() => server?.stop())

test('the program looks at the server as at any node, and finds what the server says its files hold', async () => {
  server = await HostileServer.start({ files: { '/etc/os-release': 'ID=debian\nPRETTY_NAME="Lies 1.0"\n' } })
  const { code, stdout, stderr, cpuSeconds, peakMiB } = await runAgainst(server, ['doctor', '-o', 'json'])
  expect(code, stderr).not.toBe(64)
  expect(stdout).toContain('Lies 1.0')
  expect(stdout).not.toContain('its state could not be read')
  expect(server.log.logins.map(({ method }) => method)).toContain('publickey')
  expect(server.log.commands).toHaveLength(1)
  expect(peakMiB).toBeGreaterThan(20)
  expect(cpuSeconds).toBeGreaterThan(0.05)
})

test('a stdout that is changed on its way, and a command that is not run, reach the program', async () => {
  server = await HostileServer.start({
    stdout: (chunk) => Buffer.from(chunk.toString('latin1').replaceAll('hostname=', 'hostname=other-'), 'latin1'),
    exec: async (exec) => {
      if (exec.number === 0) return exec.run()
      const { nonce } = await exec.script()
      await exec.answer([`\n@${nonce} z\n`])
    },
  })
  expect((await runAgainst(server, ['doctor', '-o', 'json'])).stdout).toContain('edge-1')
  const { stdout } = await runAgainst(server, ['doctor', '-o', 'json'])
  expect(stdout).toContain('the probe ended with no answer')
})

test('through the system ssh, with an inventory and a home of their own', async () => {
  server = await HostileServer.start({ files: { '/etc/os-release': 'PRETTY_NAME="Lies 1.0"\n' } })
  mkdirSync(join(programHome, '.ssh'))
  writeFileSync(join(programHome, '.ssh/known_hosts'), server.knownHosts())
  const inventory = writeInventory({ one: server.hostVars() }, { k3s_platform_ssh_transport: 'openssh' })
  const { stdout } = await runProgram(['doctor', '-o', 'json', '-i', inventory])
  expect(stdout).toContain('Lies 1.0')
})
