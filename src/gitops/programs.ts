// Programs of the workstation that are asked something: each in its own process group, ended with all below it.

export interface Run {
  /** All of it: nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly cwd?: string
  /** For its stdin. */
  readonly input?: string
}

export interface Ran {
  readonly ok: boolean
  readonly text: string
  /** What it wrote on stderr. */
  readonly said: string
  /** There is no such program. */
  readonly missing: boolean
}

/** Rejects with the signal's reason. */
export async function run(program: string, args: readonly string[], { env, signal, cwd, input }: Run): Promise<Ran> {
  signal.throwIfAborted()
  const { execa } = await import('execa')
  const child = execa(program, args, {
    ...{ env, extendEnv: false, reject: false, detached: true, cleanup: false, stripFinalNewline: false },
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
  })
  const kill = () => {
    if (child.pid !== undefined) killGroup(child.pid)
  }
  signal.addEventListener('abort', kill)
  try {
    const { exitCode, stdout, stderr, code } = await child
    signal.throwIfAborted()
    return { ok: exitCode === 0, text: `${stdout}`, said: `${stderr}`, missing: code === 'ENOENT' }
  } finally {
    signal.removeEventListener('abort', kill)
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** What of the environment leads to other machines: programs find their way as the user's own do. */
export function roadsOf(env: Run['env']): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => /^(PATH|(https?|all|no)_proxy)$/i.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}
