// Formats objects as readable YAML: apiVersion, kind, metadata, the rest.

import { stringify } from 'yaml'
import type { Json } from '../engine/state.ts'

const FIRST = ['apiVersion', 'kind', 'metadata']

/** Ends in a newline. Texts that YAML 1.1 takes for something else (`yes`, `on`) are quoted: Kubernetes reads that. */
export function yamlText(objects: readonly { readonly [field: string]: Json }[]): string {
  return objects
    .map((one) => stringify(inOrder(one), { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' }))
    .join('---\n')
}

function inOrder(object: { readonly [field: string]: Json }): object {
  const head = FIRST.flatMap((key) => (object[key] === undefined ? [] : [[key, object[key]] as const]))
  return Object.fromEntries([...head, ...Object.entries(object).filter(([key]) => !FIRST.includes(key))])
}
