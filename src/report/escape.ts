// Shows what a terminal or a CI runner would obey, instead of sending it: controls, bidi, invisible characters, workflow commands.

/**
 * Controls (C0, C1, DEL) but newline and tab, formats (bidi, zero width, tags), separators of lines, lone surrogates, whatever is
 * invisible by default, and the two code points that no XML may hold. The two variation selectors of emoji stay.
 */
const UNSAFE = /(?!\n|\t|\ufe0e|\ufe0f)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufffe\uffff]/gu

/** `\x1b`, `\r`, `\u202e`, `\u{e0041}`; newlines and tabs stay. What was escaped already stays as it is. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (character === '\r') return '\\r'
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** A text of one line: its newlines are shown as `\n`. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n')
}

/** JSON whose strings hold the same data, and that is as safe to show as text. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    character
      .split('')
      .map((unit) => jsonEscape(unit))
      .join(''),
  )
}

const jsonEscape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
const textEscape = (unit: string) => `\\x${unit.charCodeAt(0).toString(16)}`

/**
 * Text that a CI runner reads as text: `##[group]` and `##vso[...]` anywhere in a line, `::set-env::` at its beginning (and,
 * to be sure, wherever a word could begin; the `::` of an IPv6 address stays).
 */
export function breakCommands(text: string, as: 'text' | 'json' = 'text'): string {
  const spell = as === 'json' ? jsonEscape : textEscape
  return text
    .replace(/##(?=[\w.-]{0,40}\[)/g, `#${spell('#')}`)
    .replace(/^([^\S\n]*):(?=:)/gm, `$1${spell(':')}`)
    .replace(/(?<![\w:])::(?=[A-Za-z])/g, `:${spell(':')}`)
}
