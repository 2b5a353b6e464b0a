// Values that nothing in a chart asks for: most schemas are open, so that Helm passes over a misspelled key in silence.

import { isMap, type Json, type JsonMap } from '../engine/state.ts'
import { nearest } from '../engine/suggest.ts'
import type { ChartArchive } from './chart-archive.ts'
import type { ValueFault } from './schema-faults.ts'

type Chart = Pick<ChartArchive, 'defaults' | 'valuesSchema' | 'subcharts' | 'dependencies' | 'source'>

/**
 * Keys of `values` that have no default beside them, no place in the schema, and no mention in the templates or in a comment of
 * values.yaml. Below a map that is empty by default, or that a template uses as a whole, every key is one that the chart takes.
 */
export function unknownValues(chart: Chart, values: JsonMap): readonly ValueFault[] {
  const own = Object.fromEntries(Object.entries(values).filter(([key]) => !isSubchart(chart, key)))
  if (usesWhole(chart.source.templates, [])) return []
  return unknownBelow(chart.source, own, chart.defaults, chart.valuesSchema, [])
}

function isSubchart({ subcharts, dependencies }: Chart, key: string): boolean {
  return key === 'global' || Object.hasOwn(subcharts, key) || dependencies.includes(key)
}

function unknownBelow(
  source: ChartArchive['source'],
  values: JsonMap,
  defaults: JsonMap,
  schema: Json,
  path: readonly string[],
): readonly ValueFault[] {
  return Object.entries(values).flatMap(([key, value]): readonly ValueFault[] => {
    const here = [...path, key]
    const declared = propertyOf(schema, key)
    const normal = Object.hasOwn(defaults, key) ? defaults[key] : undefined
    if (isMap(value) && isMap(normal) && Object.keys(normal).length > 0) {
      if (usesWhole(source.templates, here)) return []
      return unknownBelow(source, value, normal, declared ?? null, here)
    }
    if (normal !== undefined || declared !== undefined || isMentioned(source, here)) return []
    const near = nearest(key, Object.keys(defaults))
    const hint = near === undefined ? {} : { hint: `did you mean ${[...path, near].join('.')}?` }
    return [{ path: here, message: 'the chart does not use it', ...hint }]
  })
}

function propertyOf(schema: Json, key: string): Json | undefined {
  const properties = isMap(schema) ? schema.properties : undefined
  return isMap(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined
}

/** `.Values.a.b` without a further step: toYaml, with, range or include get all that is below it. */
function usesWhole(templates: string, path: readonly string[]): boolean {
  return mentions(templates, ['', 'Values', ...path].join('.')).some((next) => !/^\.?[A-Za-z0-9_]/.test(next))
}

function isMentioned({ templates, values }: ChartArchive['source'], path: readonly string[]): boolean {
  const name = path.at(-1) ?? ''
  const asked = mentions(templates, ['', 'Values', ...path].join('.')).some((next) => !/^[A-Za-z0-9_]/.test(next))
  const comments = values.split('\n').filter((line) => line.trimStart().startsWith('#'))
  return asked || comments.some((line) => line.includes(`${name}:`)) || templates.includes(`"${name}"`)
}

/** What follows each place where `text` has `needle`, as far as one has to look. */
function mentions(text: string, needle: string): readonly string[] {
  const found: string[] = []
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1))
    found.push(text.slice(at + needle.length, at + needle.length + 2))
  return found
}
