// Whether the workstation can read the repository as the cluster will: asked by git itself, with nothing of the user's own.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { nearest } from '../engine/suggest.ts'
import { explain, type Fault, hostOf } from './git-errors.ts'
import { scanned } from './known-hosts.ts'
import { basic, type Login, secretsOf } from './login.ts'
import { type ProgramOptions, roadsOf, run } from './programs.ts'
import { addKey, askpass, type Scratch, scratch } from './scratch.ts'
import { LISTS } from './tree.ts'

export interface Repository {
  readonly url: string
  readonly branch: string
  /** Folder that is to be there, without `./`. */
  readonly path: string
  readonly login: Login
}

export interface GitCheckRequest {
  readonly env: ProgramOptions['env']
  readonly signal: AbortSignal
  readonly boundMs: number
}

/**
 * Nothing where all is well. Secrets are in no argument and in no file: a password goes through git's environment, a key
 * through an agent that lives as long as the check. Rejects with the signal's reason.
 */
export async function checkGit(repository: Repository, { env, signal, boundMs }: GitCheckRequest): Promise<Fault[]> {
  const bound = AbortSignal.timeout(boundMs)
  const how = { env: roadsOf(env), signal: AbortSignal.any([signal, bound]) }
  const { login } = repository
  let place: Scratch | undefined
  try {
    const lacking = await programs(login, how)
    if (lacking) return [lacking]
    place = await scratch(env, login.mode === 'ssh' && login.identity !== undefined)
    const found = await asked(repository, place, how)
    return found === undefined ? [] : [found]
  } catch (error) {
    signal.throwIfAborted()
    if (!bound.aborted) throw error
    return [explain(repository, `timed out: no answer within ${boundMs / 1000} s`, [])]
  } finally {
    await place?.end()
  }
}

/** Since then, git takes its configuration from the environment. */
const OLDEST = [2, 31] as const

async function programs({ mode }: Login, how: ProgramOptions): Promise<Fault | undefined> {
  const [git, ssh] = await Promise.all([
    run('git', ['--version'], how),
    mode === 'ssh' ? run('ssh', ['-V'], how) : undefined,
  ])
  const off = 'or skip this check: k3s_platform_git_check: false'
  const missing = (what: string, name: string): Fault => ({
    about: 'program',
    what: `${what} is not installed on this workstation, but the repository is read before anything is changed`,
    hint: `install ${name}, ${off}`,
  })
  if (git.missing) return missing('git', 'git')
  if (ssh?.missing) return missing('ssh', "OpenSSH's client")
  const version = /(\d+)\.(\d+)/.exec(git.text)?.slice(1).map(Number) ?? []
  const [major = 0, minor = 0] = version
  if (mode === 'ssh' || mode === 'public' || major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  const what = `git ${version.join('.')} on this workstation is too old for https authentication`
  return { about: 'program', what, hint: `install ${OLDEST.join('.')} or newer, ${off}` }
}

async function asked(repository: Repository, place: Scratch, how: ProgramOptions): Promise<Fault | undefined> {
  const { url, branch, path, login } = repository
  const way = login.mode === 'ssh' ? await bySsh(url, login, place, how) : await byHttp(url, login, place.dir)
  if ('about' in way) return way
  const env = { ...how.env, ...bare(place.dir), GIT_ALLOW_PROTOCOL: protocolsOf(url), ...way.env }
  const git = (...args: readonly string[]) =>
    run('git', [...following(login), ...args], { ...how, env, cwd: place.dir })
  const wrong = (said: string) => explain(repository, said, secretsOf(login))

  const heads = await git('ls-remote', '--heads', '--', url)
  // The key is not made yet, and nobody has let it in: that the server was reached is all there is to know.
  const keyless = login.mode === 'ssh' && login.identity === undefined
  if (!heads.ok) {
    const fault = wrong(heads.said)
    return keyless && ['key', 'login'].includes(fault.about) ? undefined : fault
  }
  const branches = [...heads.text.matchAll(/\trefs\/heads\/(.+)$/gm)].map(([, name = '']) => name)
  if (branches.length === 0) return { about: 'url', what: `the repository ${url} is empty`, hint: PUSH }
  if (!branches.includes(branch)) return noBranch(repository, branches)

  const fetched = await git('init', '--quiet', '--bare', 'repository').then(() =>
    git(...IN, 'fetch', '--quiet', '--depth=1', '--filter=blob:none', '--no-tags', '--', url, `refs/heads/${branch}`),
  )
  if (!fetched.ok) return wrong(fetched.said)
  const tree = await git(...IN, 'ls-tree', '-r', '-d', '-z', '--name-only', 'FETCH_HEAD')
  if (!tree.ok) return wrong(tree.said)
  const folders = tree.text.split('\0').filter((one) => one !== '')
  return folders.includes(path) ? undefined : noFolder(repository, folders)
}

const IN = ['-C', 'repository']
const PUSH = 'write the tree and push it: k3s-platform render --tree DIR --commit, then git push'

/** Nothing of the user's own: no configuration, no helper, no .netrc, no question. */
const bare = (dir: string) => ({
  HOME: dir,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_HTTP_LOW_SPEED_LIMIT: '1',
  GIT_HTTP_LOW_SPEED_TIME: '10',
})

/** A login is for the server that was named: git would send its header to wherever that one redirects. */
const following = ({ mode }: Login) => (mode === 'public' ? [] : ['-c', 'http.followRedirects=false'])

/** A redirect does not lead from https to http, nor to a program. */
const protocolsOf = (url: string) => {
  const { protocol } = new URL(url)
  return protocol === 'http:' ? 'http:https' : protocol.slice(0, -1)
}

type Way = { readonly env: Record<string, string> } | Fault

async function byHttp(url: string, login: Exclude<Login, { mode: 'ssh' }>, dir: string): Promise<Way> {
  const header =
    login.mode === 'https-basic'
      ? `Authorization: Basic ${basic(login.username, login.password)}`
      : login.mode === 'https-bearer'
        ? `Authorization: Bearer ${login.token.reveal()}`
        : undefined
  const settings: [string, string][] = header === undefined ? [] : [[`http.${url}.extraHeader`, header]]
  if (login.ca !== undefined) {
    // As in the cluster, it is trusted besides the well-known ones.
    const file = join(dir, 'ca.pem')
    await writeFile(file, [...rootCertificates, login.ca].join('\n'))
    settings.push(['http.sslCAInfo', file])
  }
  const pairs = settings.flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ])
  return { env: { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(pairs) } }
}

async function bySsh(
  url: string,
  login: Extract<Login, { mode: 'ssh' }>,
  place: Scratch,
  how: ProgramOptions,
): Promise<Way> {
  const { identity, passphrase } = login
  const [hosts, asking] = [join(place.dir, 'known_hosts'), join(place.dir, 'askpass')]
  await Promise.all([
    writeFile(hosts, login.knownHosts ?? (await scanned(url, how))),
    writeFile(asking, askpass, { mode: 0o700 }),
  ])
  const said = identity && (await addKey(place, { identity, passphrase }, how))
  if (said !== undefined) return { about: 'key', what: 'ssh-add does not accept the deploy key', why: said.trim() }
  const options = {
    UserKnownHostsFile: `"${hosts}"`,
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    IdentityFile: 'none',
    IdentityAgent: identity ? `"${place.socket}"` : 'none',
    PreferredAuthentications: 'publickey',
    BatchMode: 'yes',
    ConnectTimeout: '10',
    ControlPath: 'none',
  }
  const words = Object.entries(options).map(([name, value]) => `-o '${name}=${value}'`)
  return { env: { GIT_SSH_COMMAND: ['ssh', '-F', '/dev/null', ...words].join(' '), GIT_SSH_VARIANT: 'ssh' } }
}

function noBranch({ url, branch }: Repository, branches: readonly string[]): Fault {
  const near = nearest(branch, branches)
  const some = branches.slice(0, 5).join(', ')
  const hint = near === undefined ? `branches: ${some}${branches.length > 5 ? ', ...' : ''}` : `did you mean ${near}?`
  return { about: 'branch', what: `the repository at ${hostOf(url)} has no branch ${branch}`, hint }
}

function noFolder({ branch, path }: Repository, folders: readonly string[]): Fault {
  const what = `the branch ${branch} has no folder ${path}`
  if (!folders.includes(LISTS.replace(/\/$/, ''))) return { about: 'path', what, hint: PUSH }
  const near = nearest(path, folders)
  return { about: 'path', what, hint: near === undefined ? PUSH : `did you mean ${near}? Otherwise ${PUSH}` }
}
