// Runs git in a repository that is not trusted: no program that its configuration or attributes name, and no secret to give away.

import { absolutePath, run } from './programs.ts'

export interface GitEnvironment {
  /** Absolute, links resolved. */
  readonly directory: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface Given {
  readonly input?: string
  /** Instead of the repository's own index. */
  readonly index?: string
  /**
   * The repository apart from its files. What writes an index compares files of the same second again, through filters: in an
   * empty directory as the work tree it finds none.
   */
  readonly apart?: { readonly gitDir: string; readonly empty: string }
}

export type Git = (args: readonly string[], given?: Given) => Promise<{ readonly ok: boolean; readonly text: string }>

/** A repository that keeps git busy, such as one whose configuration is a FIFO, is given up after this long. */
const GIT_MS = 60_000

/** Who commits, and the user's own configuration, which says so, too; what git needs to accept a repository under sudo. */
const KEPT =
  /^(HOME|XDG_CONFIG_HOME|TZ|EMAIL|SUDO_UID|GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM))$/

/**
 * The configuration of the repository cannot be left out, and it can name programs: these win over it. Only plumbing is run, so
 * that filters, diff drivers, signing programs, pagers, editors, aliases and credential helpers are never reached.
 */
const OVERRIDES = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': '', // false would name a program for git before 2.36
  'core.splitIndex': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'protocol.allow': 'never',
  'safe.bareRepository': 'explicit',
}

/** What is missing in a partial clone is not fetched: the way to fetch it is a program of the repository's choice. */
const OFFLINE = { GIT_ALLOW_PROTOCOL: 'none', GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0', GIT_PAGER: 'cat' }

export function gitIn({ directory, env }: GitEnvironment): Git {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => KEPT.test(name)))
  const own = { ...kept, PATH: absolutePath(env.PATH), LC_ALL: 'C', GIT_NO_REPLACE_OBJECTS: '1', ...OFFLINE }
  const settings = Object.entries(OVERRIDES).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  return async (args, { input, index, apart } = {}) => {
    const signal = AbortSignal.timeout(GIT_MS)
    const places = {
      ...(index !== undefined && { GIT_INDEX_FILE: index }),
      ...(apart !== undefined && { GIT_DIR: apart.gitDir, GIT_WORK_TREE: apart.empty }),
    }
    const how = { env: { ...own, ...places }, signal, cwd: apart?.empty ?? directory }
    try {
      const all = [...settings, '--literal-pathspecs', ...args]
      const { ok, text, said, missing } = await run('git', all, { ...how, ...(input !== undefined && { input }) })
      return { ok, text: ok ? text : missing ? 'git is not installed on this workstation' : said }
    } catch (error) {
      if (!signal.aborted) throw error
      return { ok: false, text: `git did not end within ${GIT_MS / 1000} s` }
    }
  }
}
