// For people: narration on stderr while the run goes on, the plan or the recap on stdout at its end.

import { isCi } from './door.ts'
import { live } from './live.ts'
import { narration } from './narration.ts'
import { outcome } from './outcome.ts'
import { oneAtATime, planBlocks, planSentence } from './plan-text.ts'
import { problemLines } from './problem-text.ts'
import { recapLines } from './recap.ts'
import type { ToldOf } from './serialize.ts'
import type { Out, ReportIo, ReportOptions, Sink } from './sink.ts'
import { type Paint, painter, wantsColour } from './style.ts'

/** Narrates for every output format; stdout is its own only for `text` and `github`. */
export function textSink(options: ReportOptions, io: ReportIo): Sink {
  const paintFor = ({ isTTY = false }: Out): Paint => painter(wantsColour({ color: options.color, env: io.env, isTTY }))
  const [out, err] = [paintFor(io.stdout), paintFor(io.stderr)]
  const region = hasLiveTerminal(options, io) ? live(io, err) : undefined
  const linesOf = narration(options, region === undefined, err)
  const plans: ToldOf<'plan'>[] = []
  let hosts: readonly string[] = []
  let narrated = false

  const print = (lines: readonly string[]) => {
    if (lines.length === 0) return
    narrated = true
    if (region) region.print(lines)
    else io.stderr.write(`${lines.join('\n')}\n`)
  }

  return {
    wants: 'text',
    emit(told) {
      if (told.event === 'start') hosts = told.hosts
      if (told.event === 'plan') plans.push(told)
      region?.told(told)
      print(linesOf(told))
    },
    say: (text) => print([text]),
    reveal(line) {
      region?.flush()
      io.reveal(`${line}\n`, 'stderr')
    },
    end(results, problems) {
      const usage = problems.some((p) => p.kind === 'usage')
      print([...problems.flatMap((p) => problemLines(p, err)), ...(usage ? ['Nothing was changed.'] : [])])
      region?.end(options.mode === 'apply')
      if (results.length === 0 || (options.output !== 'text' && options.output !== 'github')) return
      if ((narrated && !options.quiet) || (region && options.mode === 'apply')) io.stderr.write('\n')
      const recap = recapLines(results, out)
      if (options.mode === 'apply') {
        io.stdout.write(`${recap.join('\n')}\n`)
        return
      }
      plans.sort((a, b) => hosts.indexOf(a.host) - hosts.indexOf(b.host))
      const style = { paint: out, full: options.verbosity > 0, contents: options.diff ? 'all' : 'updated' } as const
      const blocks = options.quiet ? [] : planBlocks(plans, style)
      const { status } = outcome(results, problems)
      const fine = status === 'ok' || status === 'pending'
      const pending = results.some((r) => r.status === 'pending')
      const last = [
        ...(plans.length > 0 ? [planSentence(plans.map((told) => told.plan)), ...oneAtATime(plans)] : []),
        ...(pending ? [`Nothing was changed. To apply: ${options.again}`, ...againHint(options)] : []),
      ]
      const paragraphs = [...blocks, ...(fine ? [] : [recap]), ...(last.length > 0 ? [last] : [])]
      io.stdout.write(`${paragraphs.map((lines) => lines.join('\n')).join('\n\n')}\n`)
    },
  }
}

function hasLiveTerminal({ quiet }: ReportOptions, { stderr, env }: ReportIo): boolean {
  return !quiet && stderr.isTTY === true && !isCi(env) && env.TERM !== 'dumb'
}

/** The command works as it stands, unless a secret was typed. */
function againHint({ again }: ReportOptions): string[] {
  return again.includes('***') ? ['Replace each *** with its value, preferably in a file: -e @FILE'] : []
}
