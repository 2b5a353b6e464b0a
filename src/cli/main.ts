// The program's entry: loads what the command needs, and ends with its exit code.

import pkg from '../../package.json' with { type: 'json' }

async function main(): Promise<void> {
  if (process.argv[2] === '--version') {
    process.stdout.write(`${pkg.version}\n`)
    return
  }
  const { program } = await import('./program.ts')
  const { catchStrays, processStreams } = await import('./io.ts')
  const { roles } = await import('./roles.ts')
  const about = { version: pkg.version, roles }
  const code = await program(process.argv.slice(2), processStreams(), about, undefined, catchStrays)
  // Open connections must not hold the program, and what was written must have left it.
  for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write('', done))
  process.exit(code)
}

void main()
