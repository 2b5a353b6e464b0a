// Reads what people read: the comments and texts of source files, by the compiler's own scanner, and the lines of pages.

import { readFileSync } from 'node:fs'
import { SyntaxKind } from 'typescript/unstable/ast'
import { createScanner } from 'typescript/unstable/ast/scanner'

export interface Text {
  readonly file: string
  readonly line: number
  readonly kind: 'comment' | 'string' | 'page'
  /** A template's substitutions are `{}`. */
  readonly text: string
}

const AFTER_OPERAND = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.ThisKeyword,
])

/** Comments without their marks; neighboring line comments are one text. */
const commentText = (raw: string) =>
  raw
    .replace(/^\/\*+|\*+\/$/g, '')
    .replace(/^\s*(\/\/|\*)/gm, '')
    .replace(/\s+/g, ' ')
    .trim()

function textsOfSource(file: string, source: string): Text[] {
  const scanner = createScanner(false, undefined, source)
  const texts: Text[] = []
  /** Templates whose substitution is being read: where each began, its text so far, and the braces open within it. */
  const open: { start: number; text: string; braces: number }[] = []
  const add = (kind: Text['kind'], start: number, text: string) =>
    texts.push({ file, line: source.slice(0, start).split('\n').length, kind, text })
  let previous: SyntaxKind = SyntaxKind.Unknown
  let lineComments: { start: number; end: number } | undefined
  const flush = () => {
    if (lineComments)
      add('comment', lineComments.start, commentText(source.slice(lineComments.start, lineComments.end)))
    lineComments = undefined
  }
  for (let token = scanner.scan(); token !== SyntaxKind.EndOfFile; token = scanner.scan()) {
    const top = open.at(-1)
    if (token === SyntaxKind.SlashToken || token === SyntaxKind.SlashEqualsToken) {
      if (!AFTER_OPERAND.has(previous)) token = scanner.reScanSlashToken()
    } else if (token === SyntaxKind.OpenBraceToken && top) top.braces += 1
    else if (token === SyntaxKind.CloseBraceToken && top) {
      if (top.braces > 0) top.braces -= 1
      else token = scanner.reScanTemplateToken(true)
    }
    const start = scanner.getTokenStart()
    switch (token) {
      case SyntaxKind.WhitespaceTrivia:
      case SyntaxKind.NewLineTrivia:
        if (lineComments && /\n\s*\n/.test(source.slice(lineComments.end, scanner.getTokenEnd()))) flush()
        continue
      case SyntaxKind.SingleLineCommentTrivia:
        lineComments = { start: lineComments?.start ?? start, end: scanner.getTokenEnd() }
        continue
      case SyntaxKind.MultiLineCommentTrivia:
        flush()
        add('comment', start, commentText(scanner.getTokenText()))
        continue
      case SyntaxKind.StringLiteral:
        if (previous !== SyntaxKind.FromKeyword) add('string', start, scanner.getTokenValue())
        break
      case SyntaxKind.NoSubstitutionTemplateLiteral:
        add('string', start, scanner.getTokenValue())
        break
      case SyntaxKind.TemplateHead:
        open.push({ start, text: `${scanner.getTokenValue()}{}`, braces: 0 })
        break
      case SyntaxKind.TemplateMiddle:
        if (top) top.text += `${scanner.getTokenValue()}{}`
        break
      case SyntaxKind.TemplateTail:
        if (top) add('string', top.start, top.text + scanner.getTokenValue())
        open.pop()
        break
    }
    flush()
    previous = token
  }
  flush()
  return texts
}

/** The paragraphs of a page: a phrase may go on in the next line. */
function textsOfPage(file: string, source: string): Text[] {
  let line = 1
  return source.split(/(\n{2,})/).flatMap((part) => {
    const at = line
    line += part.split('\n').length - 1
    return part.trim() ? [{ file, line: at, kind: 'page' as const, text: part.replace(/\s+/g, ' ').trim() }] : []
  })
}

export const textsOf = (top: string, file: string): Text[] =>
  (/\.[cm]?[jt]s$/.test(file) ? textsOfSource : textsOfPage)(file, readFileSync(`${top}/${file}`, 'utf8'))
