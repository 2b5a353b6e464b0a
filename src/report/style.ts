// Colour and other controls that are ours: a palette of seven, when it is used, and how the door tells them from a node's.

import { randomInt } from 'node:crypto'

const CODES = { red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36, bold: 1, dim: 2 } as const
export type Colour = keyof typeof CODES
export type Paint = (colour: Colour, text: string) => string

export function painter(enabled: boolean): Paint {
  return (colour, text) =>
    enabled && text !== '' ? `${ours(`\x1b[${CODES[colour]}m`)}${text}${ours('\x1b[0m')}` : text
}

/** Made anew by each process: nothing that comes from elsewhere can have it. */
const MARK = String.fromCharCode(...Array.from({ length: 10 }, () => 0xe000 + randomInt(0x1900)))
const MARKED = new RegExp(`${MARK}(.*?)${MARK}`, 'gs')

/** Marks what a terminal or a runner is to obey; the door sends nothing else of the kind. */
export function ours(control: string): string {
  return `${MARK}${control}${MARK}`
}

/** What `ours` marked as it is, everything else as `clean` makes it. */
export function withOurs(text: string, clean: (part: string) => string): string {
  return text
    .split(MARKED)
    .map((part, i) => (i % 2 === 1 ? part : clean(part)))
    .join('')
}

/** What a terminal shows of it. */
export function withoutOurs(text: string): string {
  return text.replace(MARKED, '')
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
