// For programs: exactly one JSON document on stdout, at the end, whatever happened.

import { collector, type RunSummary } from './collect.ts'
import { type HostOutcome, outcome } from './outcome.ts'
import type { RunDocument } from './run-v1.ts'
import type { ReportIo, ReportOptions, Sink } from './sink.ts'

export function jsonSink({ mode }: ReportOptions, { document }: ReportIo): Sink {
  return runDocumentSink(mode, document)
}

/** Gives `to` the document of the run at its end. */
export function runDocumentSink(mode: RunDocument['mode'], to: (document: RunDocument) => void): Sink {
  const { emit, story } = collector()
  return {
    wants: 'data',
    emit,
    end(results, problems) {
      to(runDocumentOf(mode, outcome(results, problems), story(results, problems)))
    },
  }
}

function runDocumentOf(mode: RunDocument['mode'], { status, exitCode }: HostOutcome, story: RunSummary): RunDocument {
  return {
    schema: 'k3s-platform/run/v1',
    mode,
    status,
    exitCode,
    hosts: story.hosts.map(({ result: { host, status, recap, seconds, execs }, plan, made, problems }) => ({
      host,
      status,
      about: plan?.about ?? null,
      recap,
      seconds,
      execs,
      plan: plan && {
        checks: plan.checks,
        stages: plan.plan.stages.map(({ role, name, changes }) => ({
          role,
          name,
          changes: changes.map(({ because, deltas, ...change }) => ({
            ...change,
            because: [...because],
            deltas: [...deltas],
          })),
        })),
      },
      steps: made.map(({ role, stage, change: { id, title, op }, seconds }) => ({
        role,
        stage,
        id,
        title,
        op,
        seconds,
      })),
      problems: [...problems],
    })),
    problems: [...story.problems],
  }
}
