// The role that turns a bare machine into a k3s node. Read the stages from top to bottom.

import type { PlatformResource } from '../../src/cluster/backend.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { Look, Stage } from '../../src/engine/resource.ts'
import type { Facts } from '../../src/host/facts.ts'
import { directory } from '../../src/host/kinds/directory.ts'
import { download, stampsOf } from '../../src/host/kinds/download.ts'
import { file } from '../../src/host/kinds/file.ts'
import { onInit, unitPath } from '../../src/host/kinds/init.ts'
import { kernelModules, sysctls } from '../../src/host/kinds/kernel.ts'
import { packages } from '../../src/host/kinds/packages.ts'
import { disturbedMark, service } from '../../src/host/kinds/service.ts'
import { strays } from '../../src/host/kinds/strays.ts'
import { nodeStatus } from '../../src/host/node-status.ts'
import type { HostResource } from '../../src/host/resource.ts'
import openrcFile from '../../templates/k3s.openrc.hbs'
import unitFile from '../../templates/k3s.service.hbs'
import { admitting, argoLoginResources, hasLogin, loginResources, repositoryCheck } from '../handoff/login.ts'
import { sourceFindings } from '../handoff/login-rules.ts'
import { applierOf, needsOf, rootStages, sourceResources } from '../handoff/stages.ts'
import { handoffBy } from '../handoff/vars.ts'
import { listOf } from '../k3s/config.ts'
import type { Membership, Role, RoleContext } from '../role.ts'
import { argocdRunning } from './argocd.ts'
import { OURS, paths, wholeConfigOf } from './config.ts'
import { controllerFindings, controllerLocks, controllerResources } from './controllers.ts'
import { inputFiles, inputPlaces } from './inputs.ts'
import { access, kubeconfig, kubeconfigDest, wantsKubeconfig } from './kubeconfig.ts'
import { liveCount, liveProblems } from './live.ts'
import { oldBuilds, oldBuildWarnings } from './old-builds.ts'
import { checkCount, preflight } from './preflight.ts'
import { type ReadySpec, ready, readyCheck } from './ready.ts'
import { assetOf, imagesArchive, lockableOf, supplyProblems, supplyRules } from './release.ts'
import { reset } from './reset.ts'
import { findings } from './rules.ts'
import { encryptSecrets, rememberPlainSecrets } from './secrets-encryption.ts'
import { openrcArgument, unitArgument } from './unit-quoting.ts'
import { SNAPSHOT_ID, type SnapshotSpec, snapshot, snapshotProblem, upgradeProblem } from './upgrade.ts'
import { knownFlags } from './validate.ts'
import { type BootstrapVars, vars } from './vars.ts'

const UNIT = 'k3s.service'
const BINARY = '/usr/local/bin/k3s'
const UNIT_FILE = unitPath('systemd', UNIT)
const ENV_FILE = `${UNIT_FILE}.env`
const OPENRC_FILE = unitPath('openrc', UNIT)
/** openrc-run reads it by itself, as shell; what systemd takes for a value there is one here, too. */
const OPENRC_ENV = '/etc/conf.d/k3s'
const READY_SECONDS = 180

export const bootstrap: Role<typeof vars> = {
  name: 'k3s_platform_bootstrap',
  vars,
  rules: (v, context, written) => [
    ...findings(v, context, written),
    ...supplyRules(v, context),
    ...controllerFindings(v, context),
    ...sourceFindings(v, context, written),
  ],
  repository: repositoryCheck,
  preflight: (v, look, context) => [
    ...preflight(v, look, context),
    ...releaseProblems(v, look, context),
    ...liveProblems(v, look, context, UNIT),
    ...supplyProblems(v, look, context),
    // A run removes what this finds.
    ...(context.supply === undefined ? oldBuildWarnings(look, context.host) : []),
  ],
  exclusive: clusterKeys,
  membership,
  checks: checkCount + liveCount + 2,
  locks: (v) => [...lockableOf(v), ...controllerLocks(v)],
  access,
  status: (v, context) => {
    const config = wholeConfigOf(v, context)
    const { dataDir } = readySpec(v, context, config)
    const snapshots = ownSnapshots(config) ?? `${dataDir}/server/db/snapshots`
    return nodeStatus({ binary: BINARY, stamps: stampsOf(BINARY), dataDir, snapshots })
  },
  reset,
  stages: (v, context) => {
    const role = bootstrap.name
    const configPath = v.k3s_platform_k3s_config_path
    const config = wholeConfigOf(v, context)
    const check = readySpec(v, context, config)
    const mark = disturbedMark(UNIT)
    const { dataDir, port } = check
    const encryption = isTrue(config['secrets-encryption'])
      ? { binary: BINARY, dataDir, port, boundSeconds: context.boundSeconds }
      : undefined

    const binary = download({
      path: BINARY,
      title: BINARY,
      version: v.k3s_platform_k3s_version,
      asset: ({ arch }) => assetOf('binary', v, context, arch),
      via: v.k3s_platform_download,
      mark,
    })
    const files = inputFiles(v, context, ENV_FILE).flatMap((spec) => {
      const input = file({ ...spec, mode: '600', mark })
      if (spec.path !== ENV_FILE) return [{ resource: input, path: spec.path }]
      return [
        { resource: onInit('systemd', input), path: spec.path },
        { resource: onInit('openrc', file({ ...spec, path: OPENRC_ENV, mode: '600', mark })), path: OPENRC_ENV },
      ]
    })
    const others = strays({
      title: `${paths(v).dropins}/`,
      places: inputPlaces(v),
      wanted: files.map(({ path }) => path),
      ours: OURS,
      mark,
    })
    const started = (quote: (path: string) => string) => ({
      binary: BINARY,
      config: configPath === '/etc/rancher/k3s/config.yaml' ? null : quote(configPath),
    })
    const unit = unitFile({ ...started(unitArgument), envFile: ENV_FILE })
    const systemdUnit = file({ path: UNIT_FILE, content: unit, mark })
    const openrcScript = file({ path: OPENRC_FILE, content: openrcFile(started(openrcArgument)), mode: '755', mark })
    const units = [
      { resource: onInit('systemd', systemdUnit), path: UNIT_FILE },
      { resource: onInit('openrc', openrcScript), path: OPENRC_FILE },
    ]

    return [
      {
        role,
        name: 'baseline',
        resources: [
          ...(v.k3s_platform_packages.length > 0 ? [packages(v.k3s_platform_packages)] : []),
          file({ path: '/etc/modules-load.d/k3s-platform.conf', content: listText(v.k3s_platform_kernel_modules) }),
          kernelModules(v.k3s_platform_kernel_modules),
          file({
            path: '/etc/sysctl.d/90-k3s-platform.conf',
            content: listText(Object.entries(v.k3s_platform_sysctls).map(([name, value]) => `${name} = ${value}`)),
          }),
          sysctls(v.k3s_platform_sysctls),
        ],
      },
      {
        role,
        name: 'k3s',
        resources: [
          directory({ path: parentOf(configPath) }),
          ...(Object.keys(v.k3s_platform_k3s_config_dropins).length > 0 ? [directory({ path: paths(v).dropins })] : []),
          directory({ path: check.dataDir }),
          ...snapshotDirectory(config),
          ...(encryption === undefined ? [] : [rememberPlainSecrets(encryption)]),
          snapshot(snapshotSpec(v, context, check, config)),
          binary,
          ...imagesArchive(v, context, check.dataDir),
          ...files.map(({ resource }) => resource),
          others,
          ...units.map(({ resource }) => resource),
          service({
            unit: UNIT,
            inputs: [{ resource: binary, path: BINARY }, ...files, { resource: others }, ...units],
            health: readyCheck(check),
            validate: knownFlags(BINARY, config),
            boundSeconds: check.boundSeconds,
          }),
        ],
      },
      {
        role,
        name: 'ready',
        resources: [
          ready(check),
          ...(encryption === undefined ? [] : [encryptSecrets(encryption)]),
          oldBuilds(dataDir),
        ],
      },
      {
        role,
        name: 'kubeconfig',
        resources: wantsKubeconfig(v, context)
          ? [
              kubeconfig({
                source: v.k3s_platform_kubeconfig_path,
                path: kubeconfigDest(v, context),
                server: `https://${bracketed(context.address)}:${check.port}`,
                name: context.host,
                workstation: context.workstation,
              }),
            ]
          : [],
      },
      ...gitStages(v, context),
    ]
  },
}

/** The controllers and the repository; the tree itself is applied at once only where it needs none of the addons. */
function gitStages(v: BootstrapVars, context: RoleContext): Stage<PlatformResource>[] {
  const role = bootstrap.name
  const git = handoffBy(v) === 'none' ? undefined : context.handover?.()
  if (git === undefined || applierOf(git) === null) return []
  const alone = context.roles?.every((one) => one === role) ?? false
  const logins = git.by === 'argocd' ? argoLoginResources : loginResources
  return [
    git.by === 'flux'
      ? { role, name: 'flux', resources: controllerResources(v, context) }
      : { role, name: 'argocd', resources: [argocdRunning()] },
    { role, name: 'source', resources: sourceResources(git, logins(v, context), hasLogin(v), admitting(v)) },
    ...(alone && needsOf(git).length === 0 ? rootStages(role, git, context).after : []),
  ]
}

/** Servers of one cluster have the same authority. */
function clusterKeys(_: BootstrapVars, { observations }: Look<Facts>): readonly string[] {
  const authority = observations.get('k3s:ready')?.actual?.authority
  return typeof authority === 'string' ? [`authority ${authority}`] : []
}

/** The addresses are those that its certificate has. */
function membership(v: BootstrapVars, context: RoleContext): Membership {
  const config = wholeConfigOf(v, context)
  const port = Number(config['https-listen-port'] ?? 6443)
  const names = ['tls-san', 'node-ip', 'node-external-ip', 'node-name'].flatMap((key) => listOf(config[key]))
  const addresses = [context.host, context.address, ...names].map((name) =>
    `https://${bracketed(String(name))}:${port}`.toLowerCase(),
  )
  const { server } = config
  return { addresses, joins: typeof server === 'string' ? server.toLowerCase().replace(/\/+$/, '') : undefined }
}

function releaseProblems(v: BootstrapVars, look: Look<Facts>, { host }: RoleContext): Problem[] {
  const found = look.observations.get(SNAPSHOT_ID)?.actual ?? null
  const version = typeof found?.version === 'string' ? found.version : null
  const problem = upgradeProblem(version, v.k3s_platform_k3s_version) ?? snapshotProblem(found, UNIT)
  return problem === undefined ? [] : [{ where: host, ...problem }]
}

function readySpec(v: BootstrapVars, context: RoleContext, config: Record<string, unknown>): ReadySpec {
  const name = config['node-name']
  return {
    dataDir: String(config['data-dir'] ?? v.k3s_platform_install_dir),
    port: Number(config['https-listen-port'] ?? 6443),
    nodeName: typeof name === 'string' ? name.toLowerCase() : null,
    node: config['disable-agent'] !== true,
    service: UNIT,
    boundSeconds: context.boundSeconds ?? READY_SECONDS,
  }
}

function ownSnapshots({ 'etcd-snapshot-dir': path }: Record<string, unknown>): string | undefined {
  return typeof path === 'string' && path.startsWith('/') ? path : undefined
}

/** k3s never makes it: snapshots would fail, and only the journal would know. */
function snapshotDirectory(config: Record<string, unknown>): HostResource[] {
  const path = ownSnapshots(config)
  return path === undefined ? [] : [directory({ path, mode: '700' })]
}

function snapshotSpec(
  v: BootstrapVars,
  { noSnapshot = false }: RoleContext,
  { dataDir, port }: ReadySpec,
  config: Record<string, unknown>,
): SnapshotSpec {
  return {
    binary: BINARY,
    stamps: stampsOf(BINARY),
    dataDir,
    config: v.k3s_platform_k3s_config_path,
    directory: ownSnapshots(config) ?? null,
    port,
    version: v.k3s_platform_k3s_version,
    unit: UNIT,
    skip: noSnapshot,
  }
}

function isTrue(value: unknown): boolean {
  return String(value) === 'true'
}

function listText(entries: readonly string[]): string {
  return `# Managed by k3s-platform; manual changes are reverted.\n${entries.map((entry) => `${entry}\n`).join('')}`
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
