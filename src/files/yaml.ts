// Parses untrusted YAML: one document, with bounds on tokens and depth before any recursion.

import {
  Composer,
  type Document,
  type DocumentOptions,
  Lexer,
  type LineCounter,
  type ParsedNode,
  type ParseOptions,
  Parser,
  type SchemaOptions,
} from 'yaml'

/** Levels of maps and lists inside each other. */
export const YAML_DEPTH = 100

/** The first thing that is wrong; others mostly follow from it. */
export class YamlFault extends Error {
  readonly offset: number
  readonly hint: string | undefined
  constructor(offset: number, message: string, hint?: string) {
    super(message)
    this.name = 'YamlFault'
    this.offset = offset
    this.hint = hint
  }
}

type Options = Omit<ParseOptions & DocumentOptions & SchemaOptions, 'lineCounter' | 'logLevel'>

/** `spend` is called for each token, with its offset, and may throw. Undefined for text without a document. Throws YamlFault. */
export function parseDocument(
  text: string,
  lines: LineCounter,
  options: Options,
  spend: (offset: number) => void = () => undefined,
): Document.Parsed<ParsedNode> | undefined {
  const composer = new Composer({ ...options, logLevel: 'silent' })
  const documents = composer.compose(tokens(text, lines, spend), true, text.length)
  const document = documents.next().value || undefined
  const [error] = document?.errors ?? []
  // The message may end in the text that the parser stumbled over, which may be a secret.
  if (error !== undefined) throw new YamlFault(error.pos[0], lower(error.message.replace(/: ".*$/s, '')))
  const version = document?.warnings.find(({ message }) => message.startsWith('Unsupported YAML version'))
  if (version !== undefined) throw new YamlFault(version.pos[0], lower(version.message), 'known: %YAML 1.1')
  const second = document && documents.next().value
  if (!second) return document
  const hint = 'remove the line ---, or move the second document to another file'
  throw new YamlFault(second.range[0], 'a second YAML document starts here', hint)
}

function* tokens(text: string, lines: LineCounter, spend: (offset: number) => void) {
  lines.addNewLine(0)
  const parser = new Parser(lines.addNewLine)
  for (const lexeme of new Lexer().lex(text)) {
    spend(parser.offset)
    yield* parser.next(lexeme)
    if (parser.stack.length > YAML_DEPTH + 2) {
      throw new YamlFault(parser.offset, `the YAML is nested more than ${YAML_DEPTH} levels deep`)
    }
  }
  yield* parser.end()
}

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
