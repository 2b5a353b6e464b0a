// Runs programs on the workstation, each in a separate process group that is killed as a whole.

export interface ProgramOptions {
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

/** More of one stream is cut off, and counts as a failure. */
const OUTPUT_CHARS = 33_554_432

/** Rejects with the signal's reason. */
export async function run(
  program: string,
  args: readonly string[],
  { env, signal, cwd, input }: ProgramOptions,
): Promise<Ran> {
  signal.throwIfAborted()
  const { execa } = await import('execa')
  const child = execa(program, args, {
    ...{ env, extendEnv: false, reject: false, detached: true, cleanup: false, stripFinalNewline: false },
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' } : { input }),
    maxBuffer: OUTPUT_CHARS,
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

/** A relative entry would find programs in a repository. */
export function absolutePath(path = '/usr/bin:/bin'): string {
  return path
    .split(':')
    .filter((entry) => entry.startsWith('/'))
    .join(':')
}

/** What of the environment leads to other machines: programs find their way as the user's own do. */
export function roadsOf(env: ProgramOptions['env']): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => /^(https?|all|no)_proxy$/i.test(name))
  return { ...Object.fromEntries(kept), PATH: absolutePath(env.PATH), LC_ALL: 'C' }
}
