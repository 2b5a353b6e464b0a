// Takes from a node's kubeconfig the four things that k3s writes into it and refuses everything else: a node is not trusted.
// A kubeconfig can name commands to run and files to read. Nothing of a node's text goes to a kubeconfig library or into a file.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from 'yaml'
import { type Problem, ProblemError } from '../engine/problem.ts'

/** How to reach a node's API server and how to log in there. Nothing in it is a path, a command or an option. */
export interface NodeKubeconfig {
  /** `https://host:port`, as seen from the node. */
  readonly server: string
  /** PEM. */
  readonly ca: string
  /** PEM; absent where a token is used. */
  readonly client?: { readonly certificate: string; readonly key: string }
  readonly token?: string
}

/** k3s writes 3 KB. */
const MAX_BYTES = 64 * 1024
/** Of the decoded PEM: a bundle of CAs; a certificate with its chain; an RSA key of 4096 bits has 3 KB. */
const MAX_CA_BYTES = 32 * 1024
const MAX_CERTIFICATE_BYTES = 16 * 1024
const MAX_KEY_BYTES = 6 * 1024
const MAX_TOKEN_LENGTH = 4096
const MAX_PROBLEMS = 10

const HINT = 'k3s rewrites the file on every start: systemctl restart k3s; if you did not change it, find out who did'

/** Fields that kubeconfigs can have and that a node's may not: only these are named in problems, other text is never shown. */
const KNOWN_FIELDS = [
  ...['as', 'as-groups', 'as-uid', 'as-user-extra', 'auth-provider', 'certificate-authority', 'client-certificate'],
  ...['client-key', 'disable-compression', 'exec', 'extensions', 'impersonate', 'impersonate-groups'],
  ...['insecure-skip-tls-verify', 'namespace', 'password', 'proxy-url', 'tls-server-name', 'tokenFile', 'username'],
]

/** `where` names host and file. Throws ProblemError; no problem shows a value of the file. */
export function parseNodeKubeconfig(text: string, where: string): NodeKubeconfig {
  const reader = new Reader(text, where)
  const root = reader.root()
  const top = reader.fields(root, '', [
    'apiVersion',
    'kind',
    'preferences',
    'clusters',
    'users',
    'contexts',
    'current-context',
  ])
  reader.nothingIn(top.get('preferences'), 'preferences')
  reader.only(top.get('contexts'), 'contexts', 'context', ['cluster', 'user'])
  const cluster = reader.only(top.get('clusters'), 'clusters', 'cluster', ['server', 'certificate-authority-data'])
  const user = reader.only(top.get('users'), 'users', 'user', ['client-certificate-data', 'client-key-data', 'token'])
  reader.throwProblems()

  const server = reader.server(cluster.get('server'))
  const ca = reader.pem(cluster, 'clusters[0].cluster.certificate-authority-data', MAX_CA_BYTES, isCertificates)
  const certificate = reader.pem(user, 'users[0].user.client-certificate-data', MAX_CERTIFICATE_BYTES, isCertificates)
  const key = reader.pem(user, 'users[0].user.client-key-data', MAX_KEY_BYTES, isPrivateKey)
  const token = reader.token(user.get('token'))
  if (ca === undefined) reader.refuse(root, 'clusters[0].cluster.certificate-authority-data is missing')
  if ((certificate === undefined) !== (key === undefined)) {
    reader.refuse(root, 'users[0].user has only one of client-certificate-data and client-key-data, but requires both')
  } else if (certificate === undefined && token === undefined) {
    reader.refuse(root, 'users[0].user has neither a client certificate nor a token')
  }
  reader.throwProblems()
  return {
    server,
    ca: ca ?? '',
    ...(certificate !== undefined && key !== undefined ? { client: { certificate, key } } : {}),
    ...(token === undefined ? {} : { token }),
  }
}

type Fields = ReadonlyMap<string, Node>

/** Walks the parsed text by hand: what would make an object of it would also follow what is in it. */
class Reader {
  readonly #text: string
  readonly #where: string
  readonly #lines = new LineCounter()
  readonly #problems: Problem[] = []

  constructor(text: string, where: string) {
    this.#text = text
    this.#where = where
  }

  root(): Node {
    if (this.#text.length > MAX_BYTES) {
      this.#fail(`The kubeconfig has more than ${MAX_BYTES / 1024} KiB`)
    }
    const documents = this.#parse()
    const broken = documents.flatMap(({ errors }) => errors)[0]
    // The parser's message may quote what is in the file: only its code is shown.
    if (broken)
      this.#fail(`The kubeconfig is not valid YAML: ${broken.code.toLowerCase().replaceAll('_', ' ')}`, broken.pos[0])
    const [document, second] = documents
    if (second) this.#fail('The kubeconfig has more than one document', second.range[0])
    if (!document?.contents) return this.#fail('The kubeconfig is empty')
    if (!isMap(document.contents)) return this.#fail('The kubeconfig is not a map')
    return document.contents
  }

  /** Throws for what makes a text mean more than it says: anchors, aliases and tags. */
  #parse(): readonly Document.Parsed[] {
    try {
      const found = parseAllDocuments(this.#text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        logLevel: 'silent',
        // The parser's own check compares each key with all others of its map; `fields` finds duplicates.
        uniqueKeys: false,
      })
      const documents = 'empty' in found ? [] : found
      for (const document of documents) {
        visit(document, {
          Alias: (_, node) => this.#fail('An alias is not accepted in a kubeconfig', node.range?.[0]),
          Value: (_, node) => {
            if (node.anchor) this.#fail('An anchor is not accepted in a kubeconfig', node.range?.[0])
            if (node.tag) this.#fail('A tag is not accepted in a kubeconfig', node.range?.[0])
          },
        })
      }
      return documents
    } catch (error) {
      // The parser calls itself for every level of nesting.
      if (error instanceof RangeError) return this.#fail('The kubeconfig is nested too deeply')
      throw error
    }
  }

  /** The fields of a map, of which only these are accepted. */
  fields(node: unknown, path: string, accepted: readonly string[]): Fields {
    const found = new Map<string, Node>()
    if (!isMap(node)) {
      this.refuse(node, `${path}: expected a map`)
      return found
    }
    const names = new Set<string>()
    for (const { key, value } of (node as YAMLMap<Node, Node | null>).items) {
      const name = isScalar(key) && typeof key.value === 'string' ? key.value : ''
      const isDuplicate = names.has(name)
      names.add(name)
      if (isDuplicate && accepted.includes(name)) this.refuse(key, `${path && `${path}.`}${name} exists twice`)
      else if (!accepted.includes(name)) {
        const known = KNOWN_FIELDS.includes(name)
        const shown = known ? `${path && `${path}.`}${name}` : `${path && `${path}: `}an unknown field`
        this.refuse(key, `${shown} is not accepted from a node`)
      } else if (value) found.set(name, value)
    }
    return found
  }

  /** The fields of the only entry of a list of `{ name, <field>: {...} }`. */
  only(node: unknown, list: string, field: string, accepted: readonly string[]): Fields {
    if (!isSeq(node)) {
      this.refuse(node, `${list}: expected a list with one entry`)
      return new Map()
    }
    if (node.items.length !== 1) {
      this.refuse(node, `${list}: expected one entry, got ${node.items.length}`)
      return new Map()
    }
    const entry = this.fields(node.items[0], `${list}[0]`, ['name', field])
    return this.fields(entry.get(field), `${list}[0].${field}`, accepted)
  }

  nothingIn(node: Node | undefined, path: string): void {
    if (node === undefined || (isScalar(node) && node.value === null) || (isMap(node) && node.items.length === 0))
      return
    this.refuse(node, `${path} is not accepted from a node`)
  }

  server(node: Node | undefined): string {
    const text = this.#string(node, 'clusters[0].cluster.server') ?? ''
    // Nothing but a host and a port may be in it: no login, path or query.
    if (/^https:\/\/[\w.:[\]-]{1,300}\/?$/.test(text) && URL.canParse(text)) return new URL(text).origin
    this.refuse(node, 'clusters[0].cluster.server: expected https://HOST:PORT')
    return ''
  }

  pem(fields: Fields, path: string, maxBytes: number, is: (pem: string) => boolean): string | undefined {
    const node = fields.get(path.slice(path.lastIndexOf('.') + 1))
    const text = this.#string(node, path)
    if (text === undefined) return undefined
    const data = Buffer.from(text, 'base64')
    if (text === '' || data.toString('base64') !== text) this.refuse(node, `${path} is not base64`)
    else if (data.length > maxBytes) this.refuse(node, `${path} has more than ${maxBytes / 1024} KiB`)
    else if (!is(data.toString('latin1'))) this.refuse(node, `${path} is not PEM of the expected kind`)
    else return data.toString('latin1')
    return undefined
  }

  token(node: Node | undefined): string | undefined {
    const text = this.#string(node, 'users[0].user.token')
    if (text === undefined || (text.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(text))) return text
    this.refuse(node, 'users[0].user.token is not a token')
    return undefined
  }

  #string(node: Node | undefined, path: string): string | undefined {
    if (node === undefined) return undefined
    if (isScalar(node) && typeof node.value === 'string') return node.value
    this.refuse(node, `${path}: expected text`)
    return undefined
  }

  refuse(node: unknown, what: string): void {
    const offset = isNode(node) ? node.range?.[0] : undefined
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(this.#problem(what, offset))
  }

  throwProblems(): void {
    if (this.#problems.length > 0) throw new ProblemError(this.#problems)
  }

  #fail(what: string, offset?: number): never {
    throw new ProblemError(this.#problem(what, offset))
  }

  #problem(what: string, offset?: number): Problem {
    const { line, col } = this.#lines.linePos(offset ?? 0)
    return {
      kind: 'failed',
      where: offset === undefined ? this.#where : `${this.#where}:${line}:${col}`,
      what,
      hint: HINT,
    }
  }
}

function isCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN [^-]*-----[^-]*-----END [^-]*-----/g) ?? []
  return (
    blocks.length > 0 &&
    blocks.length === pem.match(/-----BEGIN/g)?.length &&
    blocks.every((block) => /^-----BEGIN CERTIFICATE-----/.test(block) && parses(() => new X509Certificate(block)))
  )
}

function isPrivateKey(pem: string): boolean {
  return pem.match(/-----BEGIN/g)?.length === 1 && parses(() => createPrivateKey(pem))
}

function parses(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}
