// Defines a role: variables that are validated once, and stages that you read from top to bottom.

import type { z } from 'zod'
import type { PlatformFacts, PlatformResource } from '../src/cluster/backend.ts'
import type { Problem } from '../src/engine/problem.ts'
import type { Look, Stage } from '../src/engine/resource.ts'
import type { JsonMap } from '../src/engine/state.ts'
import type { Repository } from '../src/gitops/git-check.ts'
import type { Fault } from '../src/gitops/git-errors.ts'
import type { Handover } from '../src/gitops/handover.ts'
import type { HostResource } from '../src/host/resource.ts'
import type { Asset } from '../src/supply/asset.ts'
import type { Cached } from '../src/supply/cache.ts'
import type { ChartSource } from '../src/supply/chart-source.ts'
import type { Lockable } from '../src/supply/resolve.ts'
import type { SecretValues } from '../src/supply/secret-values.ts'
import type { Supply } from '../src/supply/supply.ts'
import type { Terminal } from '../src/vault/key-storage.ts'

/** What a role may know of the run besides its variables. */
export interface RoleContext {
  /** Name in the inventory. */
  readonly host: string
  /** The address that the workstation reaches it at. */
  readonly address: string
  /** Bound of the longest wait, seconds; undefined: the role's own. */
  readonly boundSeconds: number | undefined
  readonly workstation: Workstation
  /** Whether a person at a terminal runs this: the files that one works with are theirs. Default: nobody is there. */
  readonly interactive?: boolean
  /** Of the run, for programs of the workstation. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Where a person may be shown a secret once. Default: nowhere. */
  readonly terminal?: Terminal
  /** The lock file and the workstation's own files; undefined: this command installs nothing. */
  readonly supply?: Supply | undefined
  /** Fetches a release asset to this workstation, once in a run; undefined: this command fetches nothing. */
  readonly fetch?: ((asset: Asset, signal: AbortSignal) => Promise<Cached>) | undefined
  /** The .tgz of a chart in base64, by its absolute path; undefined: it was not read. */
  readonly chartContent?: ((file: string) => string | undefined) | undefined
  /** Whether an addon that is turned off takes its CRDs along; default: they stay, with all objects of their kinds. */
  readonly deleteCrds?: boolean
  /** Whether k3s is upgraded without a snapshot of its datastore before. Default: no. */
  readonly noSnapshot?: boolean
  /** Whether a reset takes snapshots of the datastore along. Default: it refuses while there are any. */
  readonly deleteSnapshots?: boolean
  /** What is asked of the handoff besides keeping it; undefined: nothing. */
  readonly handing?: 'take-back' | 'hand-over' | undefined
  /** Roles of this run; undefined: all. */
  readonly roles?: readonly string[]
  /** What GitOps shall own, whichever roles run; undefined: the inventory does not say it soundly. */
  readonly handover?: () => Handover | undefined
  /** Says who this host is; returns the other hosts of the run that have said so before. Default: there are none. */
  readonly meet?: (self: Met) => readonly Met[]
}

/** What two machines may not have in common. */
export interface Met {
  readonly host: string
  readonly machineId: string
  readonly nodeName: string
}

/** The few files that a role has on the workstation. */
export interface Workstation {
  /** `~` is the home directory. null: absent. `mode` is octal: `600`. */
  read(path: string): { readonly content: string; readonly mode: string } | null
  /** Atomic; missing directories are made with mode 700, the file gets 600. */
  write(path: string, content: string): Promise<void>
  /** As `write`, but only where nothing is; otherwise false, and what is there stays. */
  create(path: string, content: string): Promise<boolean>
  /** The kubeconfigs that kubectl reads. */
  readonly kubeconfigs: readonly string[]
  /** Changes a kubeconfig that others write, too: under kubectl's lock, with a backup beside it, atomically, keeping a link. */
  edit(path: string, change: (text: string | null) => string): Promise<void>
  /** Absent is fine. */
  remove(path: string): Promise<void>
}

/** What of a host's cluster the command `kubeconfig` needs. */
export interface ClusterAccess {
  /** The kubeconfig on the node, as k3s writes it. */
  readonly source: string
  /** Of the API. */
  readonly port: number
  /** Names and addresses in the API's certificate, besides the one that SSH goes to. */
  readonly sans: readonly string[]
}

/** Something about a value that is well-formed by itself. */
export interface Finding {
  /** The value at fault: variable, key or index, and so on. */
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly hint?: string
  /** It is told, and the run goes on. */
  readonly warning?: true
  /** Something that each run has to be given, as a token in the environment: no mistake where nothing is installed. */
  readonly missing?: true
}

/** How hosts of an inventory find each other: one joins the cluster at an address that another one is known by. */
export interface Membership {
  readonly addresses: readonly string[]
  /** undefined: it founds the cluster. */
  readonly joins: string | undefined
}

/** A chart, and the values that it is to be installed with. */
export interface ChartCheck {
  /** Of the addon, or of the entry: what tags name. */
  readonly name: string
  /** Of Helm, and the namespace that it is installed in. */
  readonly release: string
  readonly namespace: string
  readonly source: ChartSource
  readonly values: JsonMap
  /** Of these, what the inventory gives. */
  readonly given: JsonMap
  /** Laid over the values. */
  readonly secrets?: SecretValues | undefined
  /** Where the inventory may say which chart it is, the most telling first. */
  readonly sourcePlaces: readonly Finding['path'][]
  /** Where the inventory says what is at a path of the values, or what is around it. */
  place(path: readonly (string | number)[]): Finding['path']
}

/** The repository that is handed over to, as the cluster will read it. */
export interface RepositoryCheck {
  readonly repository: Repository
  /** Whether its server is asked: the login is looked at anyway. */
  readonly reads: boolean
  /** Variables that say what a fault is about, the likeliest first. */
  variables(about: Fault['about']): readonly string[]
}

/** What of the variables was written, and what of that is usable. */
export interface Written {
  /** Whether the inventory sets it: what is not set has its default. */
  given(variable: string): boolean
  /** Whether its value is ill-formed and already told of; it then has its default, too. */
  broken(variable: string): boolean
}

export interface Role<Vars extends z.ZodObject, R extends PlatformResource = PlatformResource> {
  readonly name: string
  readonly vars: Vars
  /** What the variables alone say is wrong; asked before any host is spoken to. */
  rules?(vars: z.output<Vars>, context: RoleContext, written: Written): readonly Finding[]
  /** What forbids the run, or is worth a warning, from variables and the first look; nothing was touched yet. */
  preflight(vars: z.output<Vars>, look: Look<PlatformFacts>, context: RoleContext): readonly Problem[]
  /** What the first look says of a value of the inventory: it forbids the run, or is a warning; nothing was touched yet. */
  findings?(vars: z.output<Vars>, look: Look<PlatformFacts>, context: RoleContext): readonly Finding[]
  /** What a host shares with others, so that only one of them is changed at a time; see Target. Default: nothing. */
  exclusive?(vars: z.output<Vars>, look: Look<PlatformFacts>, context: RoleContext): readonly string[]
  /** Its place in a cluster of several hosts, from the variables alone. Default: it has none. */
  membership?(vars: z.output<Vars>, context: RoleContext): Membership
  /** How many things preflight looks at. */
  readonly checks: number
  stages(vars: z.output<Vars>, context: RoleContext): readonly Stage<R>[]
  /** Takes all of it away again; throws a usage ProblemError where that would take more. */
  reset?(vars: z.output<Vars>, context: RoleContext): readonly Stage<R>[]
  /** Replaces what the cluster has generated: a stage for each name that `secrets rotate` takes. */
  rotations?(vars: z.output<Vars>, context: RoleContext): readonly Stage<R>[]
  /** What `lock` writes down for it. */
  locks?(vars: z.output<Vars>): readonly Lockable[]
  /** Charts whose values can be checked before anything is touched. */
  charts?(vars: z.output<Vars>, context: RoleContext): readonly ChartCheck[]
  /** Read before anything is touched, where the stage `source` is wanted. */
  repository?(vars: z.output<Vars>, context: RoleContext): RepositoryCheck | undefined
  /** What of it GitOps shall own, as it is written into a repository. */
  tree?(vars: z.output<Vars>, context: RoleContext): Handover
  access?(vars: z.output<Vars>, context: RoleContext): ClusterAccess
  /** What `status` reads of a node, beside its facts and its cluster. */
  status?(vars: z.output<Vars>, context: RoleContext): HostResource
}
