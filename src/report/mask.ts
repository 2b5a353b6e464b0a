// Masks secrets that nobody has named: what texts of nodes hold under names of secrets, and what is a secret by its shape.

import { isSecretName, SECRET_NAME_END } from '../engine/secret-names.ts'

/** What stands in place of a value. */
export type Hide = (name: string, value: string) => string

const MASK = '***'
const hide: Hide = () => MASK

/** Collects what it hides. */
export function hiding(found: Map<string, Set<string>>): Hide {
  return (name, value) => {
    found.set(name, (found.get(name) ?? new Set()).add(value))
    return MASK
  }
}

/** For the other side of a diff: a value that was not there under this name is told to be another one. */
export function hidingChanges(before: ReadonlyMap<string, ReadonlySet<string>>): Hide {
  return (name, value) => (before.get(name)?.has(value) === false ? `${MASK} (changed)` : MASK)
}

// Every repetition is bounded, and a value that does not end takes the rest of its line along: time is linear in the text.
const QUOTE = String.raw`\\{0,6}["']`
const NAME = `(?<name>[\\w.-]{0,80}?${SECRET_NAME_END})`
const START = String.raw`(?<![\w.-])-{0,2}`
const QUOTED = String.raw`(?<quote>${QUOTE})(?:(?<inner>(?:(?!(?<!\\)\k<quote>)[^\n]){0,4096})\k<quote>|(?<open>[^\n]*))`
const bare = (ends: string) => String.raw`(?<bare>[^\s${ends}][^\s${ends}]*)`

const pattern = (...parts: readonly string[]) => new RegExp(parts.join(''), 'gi')

/** `name=value` in all its forms, `"name": value` as JSON writes it also inside of JSON, and what follows a flag. */
const PAIRS = [
  // "--token=a b", Environment="TOKEN=a b"
  pattern(
    `(?<quote>${QUOTE})-{0,2}`,
    NAME,
    String.raw`=(?:(?<inner>(?:(?!(?<!\\)\k<quote>)[^\n]){0,4096})(?=\k<quote>)|(?<open>[^\n]+))`,
  ),
  pattern(START, NAME, `=(?:${QUOTED}|${bare(String.raw`,;&"'\\)\]}`)})`),
  pattern(
    `(?<around>${QUOTE})`,
    NAME,
    String.raw`\k<around>\s{0,8}:\s{0,8}(?:${QUOTED}|${bare(String.raw`,"'\\\[\]{}`)})`,
  ),
  // {token: abc}, and a line of a file inside of a JSON text
  pattern(
    String.raw`(?<=[{,]\s{0,8}|\\n[ -]{0,40})`,
    NAME,
    String.raw`:\s{0,8}(?:${QUOTED}|${bare(String.raw`,"'\\\[\]{}`)})`,
  ),
  pattern(
    String.raw`(?<![\w.-])--(?<name>(?:[\w-]{0,60}-)?(?:tokens?|password|passphrase|(?:secret|access|api)-key))\s{1,8}`,
    `(?:${QUOTED}|(?!-)${bare(String.raw`,;"'\\)\]}`)})`,
  ),
  // token: 4f6e9c in the middle of a sentence, as far as it looks like one
  pattern(START, NAME, String.raw`:\s{1,4}(?<bare>(?=[^\s\d]{0,200}\d)(?=[\d.:-]{0,200}[a-z])[^\s"',;(){}\[\]]{8,})`),
]

const HEADERS =
  /(?<name>\b(?:(?:proxy-)?authorization|x-[\w-]{0,40}token|(?:set-)?cookie)["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|token|digest)\s{1,4})?)(?<bare>[^\s"',;\\][^\s"',\\]{7,})/gi
const BEARER = /(?<name>\b(?:bearer|basic)\s{1,4})(?<bare>(?=[^\s\d]{0,400}\d)[\w.~+/=-]{16,})/gi

/** scheme://user:password@, and a token alone where a user stands in an http URL. A port and a path are no password. */
const USER_INFO =
  /(?<scheme>\b[a-z][a-z0-9+.-]{0,30}:\/\/)(?<user>[^\s/:@"'<>]{0,256}):(?!\d{1,5}\/)(?<password>[^\s"'<>]{1,1024})@/gi
const TOKEN_INFO = /(?<scheme>\bhttps?:\/\/)(?<user>[^\s/:@"'<>]{8,1024})@/gi

const PEM =
  /(?<begin>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:(?<body>(?:(?!-----BEGIN)[\s\S]){0,65536}?)(?=-----END)|(?<open>(?:\\?[\r\n][^\n]{0,200}[\w+/=]{16,}[^\n]{0,20}){0,2000}))/g

/** k3s's join tokens, service account tokens and other JWTs, tokens of Vault and GitHub, keys of age, PEM in base64. */
const SHAPES =
  /\bK10[0-9a-f]{32,128}(?:::[^\s"',;\\]{1,512})?|\beyJ[\w-]{8,4096}\.[\w-]{2,8192}(?:\.[\w-]{0,4096})?|\bhv[sbr]\.[\w-]{20,512}|\bgh[pousr]_\w{20,255}|\bgithub_pat_\w{20,255}|\bAGE-SECRET-KEY-1[0-9A-Z]{20,200}|\bLS0tLS1CRUdJTi(?:BSU0E|BFQy|BPUEVOU1N|BQUklW|BFTkNS|BEU0E)[\w+/=]{0,65536}/g

/** Most of what is told has nothing of what all of these begin with. */
const POSSIBLE = /[=:@\u{10fffd}]|--|eyJ|K10|hv[sbr]\.|gh[pousr]_|github_pat_|AGE-SECRET-KEY-1|LS0tLS1|bearer|basic/iu

/** Marks what was hidden already; it is in no text before, and in none after. */
const DONE = '\u{10fffd}'

/** Says nothing about a secret. */
const NOTHING =
  /^(?:true|false|null|yes|no|on|off|none|~|\u{10fffd}\*\*\*(?: \(changed\))?|\*\*\* \(changed\)|\{\}|\[\]|""|''|[|>][+-]?\d?|)$/iu

/** Of prose, with what it quotes in the middle of a line. */
export function maskInline(text: string, by: Hide = hide): string {
  return marked(text, by, (clean, marking) => inlineMasked(clean, marking))
}

/** Of what a node has written: files, environments, journals, also as YAML and line by line. */
export function maskLines(text: string, by: Hide = hide): string {
  return marked(text, by, (clean, marking) => linesMasked(inlineMasked(clean, marking), marking))
}

function marked(text: string, by: Hide, mask: (clean: string, marking: Hide) => string): string {
  if (!POSSIBLE.test(text)) return text
  const without = (one: string) => one.replaceAll(DONE, '')
  return without(mask(without(text), (name, value) => `${DONE}${by(name, without(value))}`))
}

function inlineMasked(text: string, by: Hide): string {
  const put = (name: string, value: string) => (NOTHING.test(value) ? value : by(name, value))
  let masked = text
    .replace(PEM, (...found) => {
      const { begin, body, open } = groups(found)
      const key = body ?? open ?? ''
      if (key.trim() === '') return `${begin}${key}`
      const line = key.includes('\n') ? '\n' : ''
      return `${begin}${line}${by('pem', key.trim())}${line}`
    })
    .replace(SHAPES, (value) => by('shape', value))
    .replace(USER_INFO, (...found) => {
      const { scheme, user, password } = groups(found)
      return `${scheme}${user}:${put(`${user}@`, password ?? '')}@`
    })
    .replace(TOKEN_INFO, (...found) => {
      const { scheme, user } = groups(found)
      return `${scheme}${put('@', user ?? '')}@`
    })
  for (const one of [HEADERS, BEARER]) {
    masked = masked.replace(one, (...found) => {
      const { name = '', bare = '' } = groups(found)
      return `${name}${put(name.toLowerCase(), bare)}`
    })
  }
  for (const pair of PAIRS) {
    masked = masked.replace(pair, (...found) => {
      const { name = '', inner, open, bare } = groups(found)
      const value = inner ?? open ?? bare ?? ''
      const whole = String(found[0])
      if (!isSecretName(name) || NOTHING.test(value)) return whole
      // The value stands at the end of what was found, but for its quote.
      const at = whole.lastIndexOf(value)
      return `${whole.slice(0, at)}${by(name.toLowerCase(), value)}${whole.slice(at + value.length)}`
    })
  }
  return masked
}

function groups(found: readonly unknown[]): Readonly<Record<string, string | undefined>> {
  return Object(found.at(-1))
}

const LINE =
  /^(?<lead>[ \t]{0,400}(?:- {1,8}|export {1,8}|[+~] {0,8})*)(?<quote>["']?)(?<name>[\w./-]{1,120})\k<quote>(?<sign>[ \t]{0,8}[:=](?:[ \t]+|(?=\S)|$))(?<value>.*)$/

function linesMasked(text: string, by: Hide): string {
  const put = (name: string, value: string) => (NOTHING.test(value.trim()) ? value : by(name, value))
  // Indentation of a name whose value stands on the lines below it.
  let block: { readonly indent: number; readonly name: string; readonly map: boolean } | undefined
  const lines = text.split('\n')
  return lines
    .map((line) => {
      const indent = line.length - line.trimStart().length
      const isItem = /^\s*- /.test(line)
      if (block !== undefined && line.trim() !== '' && (indent > block.indent || (isItem && indent === block.indent))) {
        const child = block.map ? LINE.exec(line)?.groups : undefined
        if (!block.map && child === undefined)
          return `${line.slice(0, indent)}${isItem ? '- ' : ''}${put(block.name, line.trim().replace(/^- /, ''))}`
        if (child === undefined || !/^user(?:name)?$/i.test(child.name ?? '')) return masked(line)
        const { lead = '', quote = '', name = '', sign = '', value = '' } = child
        return `${lead}${quote}${name}${quote}${sign}${put(name, value)}`
      }
      if (line.trim() !== '') block = undefined
      return masked(line)
    })
    .join('\n')

  function masked(line: string): string {
    const { lead = '', quote = '', name = '', sign = '', value = '' } = LINE.exec(line)?.groups ?? {}
    // Without a space behind it `:` is no pair.
    if (name === '' || !isSecretName(name) || (sign.trim() === ':' && sign.length === 1 && value !== '')) return line
    const rest = value.trim()
    const isMap = rest === '' && /^(?:auth|secret|credentials?)$/i.test(name)
    // What is deeper goes on with the value, or is it.
    if (sign.trim() === ':') block ??= { indent: lead.length, name: name.toLowerCase(), map: isMap }
    if (sign.trim() === ':' && /^(?:[|>][+-]?\d?|[&!]\S*)?$/.test(rest)) return line
    return `${lead}${quote}${name}${quote}${sign}${put(name.toLowerCase(), rest)}`
  }
}
