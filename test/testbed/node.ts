// One throwaway node of the testbed, as a test sees it: addresses and keys, root inside without ssh, cable and power.

import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'
import { inNode, type ProgramPart, parts } from './parts.ts'

const script = fileURLToPath(new URL('nodes/nodes', import.meta.url))

const Description = z.object({
  host: z.string(),
  port: z.number(),
  users: z.array(z.string()),
  identityFile: z.string(),
  hostKey: z.string(),
  bootSeconds: z.number(),
  root: z.string(),
})

/** What came of a command in a node; `code` is 128 + n after signal n. */
export interface RunResult {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** Runs a verb of nodes/nodes and returns its stdout; an error carries what it said on stderr. */
export async function nodes(...args: readonly string[]): Promise<string> {
  return (await execa(script, args, { stdin: 'ignore' })).stdout
}

export class TestNode {
  /** The host name inside the node, and the default name in an inventory. */
  readonly name: string
  /** What the testbed's own script calls it: `nodes list`, `nodes console <id>`. */
  readonly id: string
  readonly host: string
  readonly port: number
  /** The private key that opens every account. */
  readonly identityFile: string
  /** `ssh-ed25519 AAAA...` */
  readonly hostKey: string
  /** root, ops (sudo without a password), deploy (sudo with `correct horse`). */
  readonly users: readonly string[]
  /** The node's / while it runs: open files below it, do not resolve it. */
  readonly root: string

  private constructor(name: string, id: string, line: string) {
    const description = Description.parse(JSON.parse(line))
    this.name = name
    this.id = id
    this.host = description.host
    this.port = description.port
    this.identityFile = description.identityFile
    this.hostKey = description.hostKey
    this.users = description.users
    this.root = description.root
  }

  /** Boots a new one (1.5 s); `disk` is a size like `200M`, default 8G. */
  static async up(name: string, id: string, disk?: string): Promise<TestNode> {
    const size = disk === undefined ? [] : ['--disk', disk]
    return new TestNode(name, id, await nodes('up', id, '--hostname', name, ...size))
  }

  /** Runs a command line (sh), or a program with arguments, as root in the node without ssh. Never throws for its exit code. */
  async run(command: string | readonly string[], options: { input?: string | Uint8Array } = {}): Promise<RunResult> {
    const argv = typeof command === 'string' ? ['sh', '-c', command] : command
    const { stdout, stderr, exitCode, failed, shortMessage } = await execa(script, ['run', this.id, '--', ...argv], {
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
      reject: false,
      stripFinalNewline: false,
    })
    if (failed && (exitCode === undefined || stderr.startsWith('nodes: ')))
      throw new Error(`${shortMessage}\n${stderr}`)
    return { stdout, stderr, code: exitCode ?? 255 }
  }

  /** The stdout of a command that must succeed, without the final newline. */
  async ask(command: string | readonly string[]): Promise<string> {
    const { stdout, stderr, code } = await this.run(command)
    if (code !== 0) throw new Error(`${this.name}: exit code ${code} of ${command}\n${stderr}`)
    return stdout.replace(/\n$/, '')
  }

  /** The stdout of k3s's kubectl, as administrator; throws unless it succeeds. `input` is for `-f -`. */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const { stdout, stderr, code } = await this.run(
      ['/usr/local/bin/k3s', 'kubectl', ...args],
      input === undefined ? {} : { input },
    )
    if (code !== 0) throw new Error(`${this.name}: exit code ${code} of kubectl ${args.join(' ')}\n${stderr}`)
    return stdout
  }

  /** From now on pods with the images of these parts run their programs; before, they are pretended. */
  async programs(...names: readonly ProgramPart[]): Promise<void> {
    const sources = (await parts(...names)).map((part) => `${inNode(part)}/images/*`)
    const images = '/usr/local/lib/k3s-standin/images'
    await this.ask(`mkdir -p ${images} && ln -sf ${sources.join(' ')} ${images}/`)
  }

  /** Packets to and from it vanish; neither side is told. */
  async cut(): Promise<void> {
    await nodes('cut', this.id)
  }

  /** Ends a cut. */
  async mend(): Promise<void> {
    await nodes('mend', this.id)
  }

  /** Power cut: silence, and what was not synced is lost. */
  async kill(): Promise<void> {
    await nodes('kill', this.id)
  }

  /** Boots it again after kill() or its own power-off, with the same disk, address and keys. */
  async start(): Promise<void> {
    await nodes('start', this.id)
  }

  /** Removes it and its disk. */
  async down(): Promise<void> {
    await nodes('down', this.id)
  }

  /** The line of a known_hosts file that trusts this node. */
  knownHosts(): string {
    return `${this.host} ${this.hostKey}`
  }

  /** Ansible's connection variables for a login as `user`. */
  hostVars(user = 'ops'): Record<string, string | number> {
    return {
      ansible_host: this.host,
      ansible_port: this.port,
      ansible_user: user,
      ansible_ssh_private_key_file: this.identityFile,
    }
  }
}
