// One throwaway node of the testbed, as a test sees it: addresses and keys, root inside without ssh, cable and power.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'
import { imageArchive } from './images.ts'
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

export interface NodeOptions {
  /** Of its disk, like `200M`; default 8G. Not with real pods. */
  readonly disk?: string
  /**
   * Default: k3s pretends them. `real`: the node is a User-Mode Linux with cgroup v2, containerd and the real kubelet; it takes
   * 10 s to boot, and has no `root`. `on agents`: for a server with `disable-agent`, which schedules them to nodes of that kind.
   */
  readonly pods?: 'real' | 'on agents'
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
  readonly #hasPods: boolean

  private constructor(name: string, id: string, hasPods: boolean, line: string) {
    const description = Description.parse(JSON.parse(line))
    this.name = name
    this.id = id
    this.#hasPods = hasPods
    this.host = description.host
    this.port = description.port
    this.identityFile = description.identityFile
    this.hostKey = description.hostKey
    this.users = description.users
    this.root = description.root
  }

  /** Boots a new one (1.5 s). */
  static async up(name: string, id: string, options: NodeOptions = {}): Promise<TestNode> {
    const hasPods = options.pods === 'real'
    const flags = [
      ...(options.disk === undefined ? [] : ['--disk', options.disk]),
      ...(hasPods ? ['--pods', 'real'] : []),
    ]
    return new TestNode(name, id, hasPods, await nodes('up', id, '--hostname', name, ...flags))
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

  /** From now on pods with the images of these parts run their programs; before, they are pretended, or wait for their image. */
  async programs(...names: readonly ProgramPart[]): Promise<void> {
    const images = '/usr/local/lib/k3s-standin/images'
    for (const name of names) {
      const [part = ''] = await parts(name)
      const link = this.#hasPods
        ? `${await imageArchive(name, part, join(part, 'images'))} ${images}/${name}.tar`
        : `${inNode(part)}/images/* ${images}/`
      await this.ask(`mkdir -p ${images} && ln -sf ${link}`)
    }
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
