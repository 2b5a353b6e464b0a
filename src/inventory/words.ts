// Splits a line into words like a POSIX shell does, without running anything.

export interface Word {
  readonly text: string
  /** Where the word begins in the line, from 0. */
  readonly offset: number
}

/** `comments`: an unquoted # ends the line. `args`: backslashes stay and {{ }} is one word, as in Ansible's `-e`. */
export type SplitMode = 'plain' | 'comments' | 'args'

/** Undefined when a quote is not closed. */
export function splitWords(line: string, mode: SplitMode = 'plain'): readonly Word[] | undefined {
  const words: Word[] = []
  let text: string | undefined
  let offset = 0
  let quote = ''
  let depth = 0
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i)
    const space = quote === '' && depth === 0 && /\s/.test(c)
    if (space) {
      if (text !== undefined) words.push({ text, offset })
      text = undefined
      continue
    }
    if (mode === 'comments' && quote === '' && c === '#') break
    if (text === undefined) offset = i
    text ??= ''
    if (mode === 'args' && quote === '' && (line.startsWith('{{', i) || line.startsWith('}}', i))) {
      depth = Math.max(0, depth + (c === '{' ? 1 : -1))
      text += c + c
      i++
    } else if (depth === 0 && quote === '' && (c === '"' || c === "'")) quote = c
    else if (c === quote) quote = ''
    else if (c === '\\' && (mode === 'args' || quote === '' || (quote === '"' && /["\\]/.test(line.charAt(i + 1))))) {
      text += mode === 'args' ? c + line.charAt(i + 1) : line.charAt(i + 1)
      i++
    } else text += c
  }
  if (quote !== '' || depth > 0) return undefined
  if (text !== undefined) words.push({ text, offset })
  return words
}
