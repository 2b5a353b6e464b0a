// `-e`: k=v pairs, JSON, YAML, @file; they win over everything, the later over the earlier.

import { unescaped } from './expression.ts'
import type { Files } from './files.ts'
import { isMap, name as nameOf, plain, usage, type Value, type Variables } from './value.ts'
import { merged } from './vars-files.ts'
import { splitWords } from './words.ts'
import { parseYaml } from './yaml.ts'

/** Values of k=v are text, as in Ansible; of JSON, YAML and files they have their types. Mistakes are problems of `files`. */
export async function extraVariables(files: Files, given: readonly string[]): Promise<Variables> {
  return merged(await Promise.all(given.map((text) => one(files, text.trim()))))
}

async function one(files: Files, text: string): Promise<Variables> {
  if (text === '@') {
    files.problems.push(usage('-e', 'no file is named after @', 'for example -e @secrets.yaml'))
    return new Map()
  }
  if (text.startsWith('@')) return files.variables(files.path(text.slice(1)))
  if (text.startsWith('{') || text.startsWith('[')) {
    const { value, problems } = await parseYaml(text, '-e', { decrypt: files.decrypt, budget: files.budget })
    files.problems.push(...problems)
    if (value === undefined) return new Map()
    if (isMap(value.data)) return value.data
    files.problems.push(usage('-e', `expected a map of variables, got ${nameOf(plain(value))}`))
    return new Map()
  }
  const words = splitWords(text, 'args')
  if (words === undefined) {
    files.problems.push(usage('-e', 'a quote or {{ is not closed'))
    return new Map()
  }
  const variables = new Map<string, Value>()
  for (const { text: word } of words) {
    const equals = word.indexOf('=')
    const key = word.slice(0, equals)
    if (equals < 1) {
      const hint = /^[./]/.test(word)
        ? `to pass a file: -e @${word}`
        : "for example: -e k3s_platform_environment=staging -e '{a: 1}' -e @file"
      files.problems.push(usage('-e', 'expected name=value, a map, or @file', hint))
      break
    }
    variables.set(key, { at: '-e', path: key, data: unescaped(word.slice(equals + 1)) })
  }
  return variables
}
