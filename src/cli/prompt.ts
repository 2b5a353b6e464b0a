// Asks for a secret on the terminal itself, without echo; stdin may be a pipe.

import { openSync } from 'node:fs'
import { ReadStream, WriteStream } from 'node:tty'
import { ProblemError } from '../engine/problem.ts'
import { Secret } from '../engine/secret.ts'
import { escapeLine } from '../report/escape.ts'

/** Ctrl-C while a question was open. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/**
 * One line from the terminal. `flag` is what asked (`--ask-become-pass`), `instead` names what to use where nobody can be
 * asked. Throws a usage ProblemError without a terminal, Interrupted on Ctrl-C.
 */
export async function askSecret(prompt: string, flag: string, instead: string): Promise<Secret> {
  const terminal = openTerminal()
  if (terminal === undefined) {
    throw new ProblemError({
      kind: 'usage',
      where: flag,
      what: 'input is required, but there is no terminal',
      hint: instead,
    })
  }
  const { input, output } = terminal
  // First: what is typed as soon as the question stands there must not be echoed.
  input.setRawMode(true)
  try {
    output.write(escapeLine(prompt))
    return new Secret(await readLine(input))
  } finally {
    input.setRawMode(false)
    output.write('\n')
    input.destroy()
    output.destroy()
  }
}

/**
 * Asks for secrets one at a time and for each only once, however many hosts need it; `learn` gets each first. The answer
 * is undefined where nobody can be asked.
 */
export function askSecretOnce(
  flag: string,
  learn: (secret: Secret) => void,
): (prompt: string) => Promise<Secret | undefined> {
  const answers = new Map<string, Promise<Secret | undefined>>()
  let previous: Promise<unknown> = Promise.resolve()
  const ask = async (prompt: string): Promise<Secret | undefined> => {
    try {
      const secret = await askSecret(prompt, flag, '')
      learn(secret)
      return secret
    } catch (error) {
      if (error instanceof ProblemError) return undefined
      throw error
    }
  }
  return (prompt) => {
    const known = answers.get(prompt)
    if (known !== undefined) return known
    const answer = previous.then(() => ask(prompt))
    answers.set(prompt, answer)
    previous = answer.catch(() => undefined)
    return answer
  }
}

/** Whether somebody can be asked. */
export function hasTerminal(): boolean {
  const terminal = openTerminal()
  terminal?.input.destroy()
  terminal?.output.destroy()
  return terminal !== undefined
}

/** One line from the terminal, with echo, without the spaces around it. Ctrl-C ends the program, as nothing else listens. */
export async function ask(prompt: string): Promise<string> {
  const terminal = openTerminal()
  if (terminal === undefined) return ''
  const { input, output } = terminal
  try {
    output.write(escapeLine(prompt))
    return (await readLine(input)).trim()
  } finally {
    input.destroy()
    output.destroy()
  }
}

function openTerminal(): { input: ReadStream; output: WriteStream } | undefined {
  try {
    return { input: new ReadStream(openSync('/dev/tty', 'r')), output: new WriteStream(openSync('/dev/tty', 'w')) }
  } catch {
    return undefined
  }
}

async function readLine(input: AsyncIterable<Buffer | string>): Promise<string> {
  let line = ''
  const decoder = new TextDecoder()
  for await (const chunk of input) {
    for (const key of typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })) {
      if (key === '\r' || key === '\n') return line
      if (key === '\x03') throw new Interrupted('interrupted')
      if (key === '\x04') {
        if (line === '') throw new Interrupted('end of input')
        return line
      }
      if (key === '\x15') line = ''
      else if (key === '\x7f' || key === '\b') line = [...line].slice(0, -1).join('')
      else line += key
    }
  }
  return line
}
