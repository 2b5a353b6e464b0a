// From a bare machine to a working k3s: read the stages from top to bottom.

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
import openrcFile from '../../templates/k3s.openrc.hbs'
import unitFile from '../../templates/k3s.service.hbs'
import { argocdRunning } from '../handoff/argocd.ts'
import { controllerFindings, controllerLocks, controllerResources } from '../handoff/controllers.ts'
import { admitting, argoLoginResources, hasLogin, loginResources, repositoryCheck } from '../handoff/login.ts'
import { sourceFindings } from '../handoff/login-rules.ts'
import { applierOf, needsOf, rootStages, sourceResources } from '../handoff/stages.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Role, RoleContext } from '../role.ts'
import { OURS, paths, wholeConfigOf } from './config.ts'
import { inputFiles, inputPlaces } from './inputs.ts'
import { access, kubeconfig, kubeconfigDest } from './kubeconfig.ts'
import { liveCount, liveProblems } from './live.ts'
import { checkCount, preflight } from './preflight.ts'
import { type ReadySpec, ready, readyCheck } from './ready.ts'
import { assetOf, imagesArchive, lockableOf, supplyProblems, supplyRules } from './release.ts'
import { reset } from './reset.ts'
import { findings } from './rules.ts'
import { SNAPSHOT_ID, snapshot, upgradeProblem } from './upgrade.ts'
import { knownFlags } from './validate.ts'
import { type Vars, vars } from './vars.ts'

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
  ],
  checks: checkCount + liveCount + 2,
  locks: (v) => [...lockableOf(v), ...controllerLocks(v)],
  access,
  reset,
  stages: (v, context) => {
    const role = bootstrap.name
    const configPath = v.k3s_platform_k3s_config_path
    const config = wholeConfigOf(v, context)
    const check = readySpec(v, context, config)
    const mark = disturbedMark(UNIT)

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
    const started = { binary: BINARY, config: configPath === '/etc/rancher/k3s/config.yaml' ? null : configPath }
    const systemdUnit = file({ path: UNIT_FILE, content: unitFile({ ...started, envFile: ENV_FILE }), mark })
    const openrcScript = file({ path: OPENRC_FILE, content: openrcFile(started), mode: '755', mark })
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
          snapshot({
            binary: BINARY,
            stamps: stampsOf(BINARY),
            dataDir: check.dataDir,
            version: v.k3s_platform_k3s_version,
            unit: UNIT,
          }),
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
      { role, name: 'ready', resources: [ready(check)] },
      {
        role,
        name: 'kubeconfig',
        resources: [
          kubeconfig({
            source: v.k3s_platform_kubeconfig_path,
            path: kubeconfigDest(v, context),
            server: `https://${bracketed(context.address)}:${check.port}`,
            name: context.host,
            workstation: context.workstation,
          }),
        ],
      },
      ...gitStages(v, context),
    ]
  },
}

/** The controllers and the repository; the tree itself is applied at once only where it needs none of the addons. */
function gitStages(v: Vars, context: RoleContext): Stage<PlatformResource>[] {
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

function releaseProblems(v: Vars, look: Look<Facts>, { host }: RoleContext): Problem[] {
  const found = look.observations.get(SNAPSHOT_ID)?.actual?.version
  const problem = upgradeProblem(typeof found === 'string' ? found : null, v.k3s_platform_k3s_version)
  return problem === undefined ? [] : [{ where: host, ...problem }]
}

function readySpec(v: Vars, context: RoleContext, config: Record<string, unknown>): ReadySpec {
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

function listText(entries: readonly string[]): string {
  return `# Managed by k3s-platform; changes here are put back.\n${entries.map((entry) => `${entry}\n`).join('')}`
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
