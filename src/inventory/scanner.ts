// Walks through a text token by token.

export class Scanner {
  i = 0
  /** Of the expression that is being read. */
  depth = 0
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  rest(): string {
    return this.text.slice(this.i)
  }
  end(): boolean {
    return this.i >= this.text.length
  }
  take(n: number): string {
    const piece = this.text.slice(this.i, this.i + n)
    this.i += piece.length
    return piece
  }
  eat(token: string): boolean {
    if (!this.text.startsWith(token, this.i)) return false
    this.i += token.length
    return true
  }
  match(pattern: RegExp): string | undefined {
    const [found] = pattern.exec(this.rest()) ?? []
    if (found !== undefined) this.i += found.length
    return found
  }
  space(): void {
    this.match(/^\s+/)
  }
  word(): string | undefined {
    this.space()
    return this.match(/^[A-Za-z_]\w*/)
  }
  /** The next token after space. */
  next(token: string): boolean {
    this.space()
    return this.eat(token)
  }
}
