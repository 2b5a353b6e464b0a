// Colour: a palette of seven, and when it is used.

const CODES = { red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36, bold: 1, dim: 2 } as const
export type Colour = keyof typeof CODES
export type Paint = (colour: Colour, text: string) => string

export function painter(enabled: boolean): Paint {
  return (colour, text) => (enabled && text !== '' ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text)
}

export interface ColourChoice {
  /** What `--no-color` said: false refuses colour whatever the environment says. */
  readonly color: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTTY: boolean
}

/** `--no-color`, then FORCE_COLOR, then NO_COLOR (as Node does), then whether it is a terminal that can. */
export function wantsColour({ color, env, isTTY }: ColourChoice): boolean {
  if (!color) return false
  const force = env.FORCE_COLOR
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (env.NO_COLOR) return false
  return isTTY && env.TERM !== 'dumb'
}
