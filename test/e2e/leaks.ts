// Where a secret would slip out: arguments of every process, files of the workstation and of a node.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect } from 'vitest'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import type { Testbed } from '../testbed/testbed.ts'

/** Looks, as often as it can, at the arguments of every process of the machine, those in nodes included, and at files. */
const WATCHER = `import json, os, stat, sys, threading, time
asked = json.loads(sys.stdin.readline())
needles = [n.encode() for n in asked["needles"]]
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
found, seen, looks = set(), set(), 0
print("ready", flush=True)
while not done.is_set():
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    seen.add(f.read().replace(b"\\0", b" "))
            except OSError:
                continue
    for top in asked["folders"]:
        for where, _, names in os.walk(top):
            for name in names:
                path = os.path.join(where, name)
                try:
                    if not stat.S_ISREG(os.stat(path).st_mode): # reading a pipe would take what it holds
                        continue
                    with open(path, "rb") as f:
                        text = f.read()
                except OSError:
                    continue
                if any(n in text for n in needles):
                    found.add(path)
    looks += 1
    time.sleep(0.005)
print(json.dumps({"files": sorted(found), "arguments": b"\\n".join(seen).decode(errors="replace"), "looks": looks}))
`
const Watched = z.object({ files: z.array(z.string()), arguments: z.string(), looks: z.number() })

/** Files in which a needle was seen, and the arguments of all processes, one a line. */
export type Watched = z.output<typeof Watched>

interface Wanted {
  readonly needles: readonly string[]
  /** On the workstation; a file in them need not live long. */
  readonly folders: readonly string[]
}

/** Begins at once; the watcher has looked often when it ends, or it saw nothing. */
export async function watch(testbed: Testbed, wanted: Wanted): Promise<{ end(): Promise<Watched> }> {
  const script = join(await testbed.dir(), 'watch.py')
  await writeFile(script, WATCHER)
  const child = execa('/usr/bin/python3', [script], { stdin: 'pipe' })
  child.stdin.write(`${JSON.stringify(wanted)}\n`)
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    end: async () => {
      child.stdin.end('stop\n')
      return Watched.parse(JSON.parse((await child).stdout.replace(/^ready\n/, '')))
    },
  }
}

/** Something is done while it is watched. */
export async function watched<T>(
  testbed: Testbed,
  wanted: Wanted,
  run: () => Promise<T>,
): Promise<{ readonly done: T; readonly seen: Watched }> {
  const watching = await watch(testbed, wanted)
  const done = await run()
  const seen = await watching.end()
  expect(seen.looks).toBeGreaterThan(20)
  return { done, seen }
}

export function expectNone(needles: readonly string[], what: string, text: string): void {
  const found = needles.filter((needle) => text.includes(needle))
  expect(found, `${what} has a secret`).toEqual([])
}

/** Files of a node with a needle in them, of those that were written since `touch /run/test-began`, but for these folders. */
export async function inNode(node: TestNode, needles: readonly string[], but: readonly string[]): Promise<string[]> {
  const skip = ['/proc', '/sys', '/run/test-began', '/dev/shm/needles', ...but].map((path) => `-path ${path}`)
  await node.run('cat >/dev/shm/needles', { input: needles.join('\n') })
  const { stdout } = await node.run(
    `find / \\( ${skip.join(' -o ')} \\) -prune -o -type f -size -20M -newer /run/test-began -print0 | xargs -0 -r grep -laF -f /dev/shm/needles; rm /dev/shm/needles`,
  )
  return stdout.split('\n').filter(Boolean).toSorted()
}

/** Where etcd keeps everything. */
export const DATABASE = '/opt/rancher/k3s/server/db'

/** Files of the workstation with a needle in them. */
export async function inFolders(
  testbed: Testbed,
  needles: readonly string[],
  folders: readonly string[],
): Promise<string[]> {
  const list = join(await testbed.dir(), 'needles')
  await writeFile(list, needles.join('\n'))
  const { stdout } = await execa('grep', ['-rlaF', '-f', list, ...folders], { reject: false })
  return stdout.split('\n').filter(Boolean)
}

const Objects = z.object({
  items: z.array(
    z.looseObject({
      kind: z.string(),
      metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
      data: z.unknown().optional(),
    }),
  ),
})

/** Objects of a node's cluster that have a needle anywhere, except in the data of a Secret. */
export async function inObjects(node: TestNode, needles: readonly string[]): Promise<string[]> {
  const kinds = (await node.kubectl(['api-resources', '--verbs=list', '-o', 'name'])).split('\n').filter(Boolean)
  const { items } = Objects.parse(
    JSON.parse(await node.kubectl(['get', '-A', kinds.join(','), '-o', 'json', '--show-managed-fields'])),
  )
  expect(items.length).toBeGreaterThan(100)
  const told = (item: (typeof items)[number]) =>
    JSON.stringify(item.kind === 'Secret' ? { ...item, data: undefined } : item)
  return items
    .filter((item) => needles.some((needle) => told(item).includes(needle)))
    .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)
}
