// Says what is lost when a Helm release is uninstalled, from Helm's own record of it.

import { z } from 'zod'
import { fieldsOfAnswer } from './answer.ts'
import type { Cluster } from './cluster.ts'
import type { Ref } from './object.ts'
import { readRelease, releases } from './release.ts'

const chart = z.looseObject({
  spec: z.looseObject({ targetNamespace: z.string().optional() }).prefault({}),
})

/** Kinds that hold data, or whose objects go with it. */
const [CLAIM, CRD, SET] = ['PersistentVolumeClaim', 'CustomResourceDefinition', 'StatefulSet']

/** Of a HelmChart that is about to go. */
export async function uninstallWords(cluster: Cluster, ref: Ref): Promise<string> {
  const { name } = ref
  const live = await cluster.get(ref)
  const namespace = (live && fieldsOfAnswer(chart, live).spec.targetNamespace) ?? ref.namespace
  const secrets = await cluster.list({
    ...{ apiVersion: 'v1', kind: 'Secret', namespace },
    labels: `owner=helm,name=${name}`,
    fields: 'type=helm.sh/release.v1',
  })
  const [newest] = releases(secrets)
  const manifest = newest === undefined ? '' : (readRelease(newest.secret)?.manifest ?? '')
  const objects = objectsIn(manifest)
  const going = objects.filter(({ kept }) => !kept).map(({ kind }) => kind)
  const kept = objects.filter((one) => one.kept).map(({ kind }) => kind)
  const lost = [
    ...(going.includes(CLAIM) ? ['the data of its PersistentVolumeClaims is lost'] : []),
    ...(going.includes(CRD) ? ['all objects of the kinds that it defines are deleted'] : []),
    ...(going.includes(SET) ? ['the volumes of its StatefulSets remain'] : []),
    ...(kept.length > 0 ? [`${counted(kept)} remain`] : []),
  ]
  return [
    `uninstalls the release ${name} from ${namespace}${going.length === 0 ? '' : ` with ${counted(going)}`}`,
    ...lost,
  ].join('; ')
}

/** Of a release's manifest; hooks are not in it. A chart may be anybody's: it is searched, not parsed. */
function objectsIn(manifest: string): { readonly kind: string; readonly kept: boolean }[] {
  return manifest.split(/^---.*$/m).flatMap((text) => {
    const kind = /^kind:[ \t]*["']?([A-Za-z0-9]{1,100})/m.exec(text)?.[1]
    return kind === undefined
      ? []
      : [{ kind, kept: /^[ \t]+["']?helm\.sh\/resource-policy["']?:[ \t]*["']?keep/m.test(text) }]
  })
}

/** `Deployment, 2 Services`, by name. */
function counted(kinds: readonly string[]): string {
  const names = [...new Set(kinds)].toSorted()
  return names
    .map((name) => {
      const count = kinds.filter((one) => one === name).length
      return count === 1 ? name : `${count} ${name}s`
    })
    .join(', ')
}
