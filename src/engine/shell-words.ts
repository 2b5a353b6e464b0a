// Words as a person would type them into a shell.

/** Quotes only what needs it: what a node says its things are called must not become commands in advice that is copied. */
export function shellWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
}
