// certs forecast: a calendar of the renewals of all certificates, and what will fail on which day.

import pMap from 'p-map'
import { type Forecast, type ForecastCertificate, forecast } from '../../certificates/forecast.ts'
import { forecastHtml } from '../../certificates/forecast-html.ts'
import { FORECAST_LISTS, forecastCertificates } from '../../certificates/forecast-input.ts'
import { forecastText } from '../../certificates/forecast-text.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { CertsForecastDocument } from '../../report/certs-forecast-v1.ts'
import { boundedProblems } from '../../report/door.ts'
import type { CertsCall } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import type { PreparedRun } from '../run.ts'
import { withCluster } from './certs-hosts.ts'

/** 0: nothing will fail; 2: something will; 1: a host could not be read. */
export async function forecastRenewals(opened: PreparedRun, options: CertsCall, io: Io): Promise<number> {
  const { certs, output } = options
  const { certificates, problems } = await readCertificates(opened, options, io)
  const made = within(forecast(certificates, io.now(), certs.days), certs.namespace, certificates)
  const exitCode = problems.length > 0 ? 1 : made.findings.length > 0 ? 2 : 0
  if (output === 'json') {
    const document: CertsForecastDocument = {
      schema: 'k3s-platform/certs-forecast/v1',
      ...{ exitCode, ...made, problems: boundedProblems(problems) },
    }
    io.document(document)
    return exitCode
  }
  if (certificates.length > 0 || problems.length === 0)
    io.stdout.write((certs.html ? forecastHtml : forecastText)(io.shown(made)))
  if (problems.length > 0) throw new ProblemError(problems)
  return exitCode
}

/** Those of all namespaces of all hosts: they share the limits. */
export async function readCertificates(
  { prepared }: Pick<PreparedRun, 'prepared'>,
  { forks }: Pick<CertsCall, 'forks'>,
  io: Io,
): Promise<{ certificates: ForecastCertificate[]; problems: Problem[] }> {
  const visited = await pMap(
    prepared,
    async (one): Promise<{ certificates: ForecastCertificate[]; problems: readonly Problem[] }> => {
      try {
        const { signal } = new AbortController()
        const lists = await withCluster(one, signal, (cluster) =>
          Promise.all(FORECAST_LISTS.map((listing) => cluster.list(listing))),
        )
        const objects = lists?.flat() ?? []
        return { certificates: forecastCertificates(one.host.name, objects, new Date(io.now())), problems: [] }
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        return { certificates: [], problems: error.problems }
      }
    },
    { concurrency: forks },
  )
  return {
    certificates: visited.flatMap((one) => one.certificates),
    problems: visited.flatMap((one) => one.problems),
  }
}

/** What is shown of it; the limits stay those of all. */
function within(made: Forecast, namespace: string | null, certificates: readonly ForecastCertificate[]): Forecast {
  if (namespace === null) return made
  const isShown = (one: { readonly namespace: string }) => one.namespace === namespace
  return {
    ...made,
    certificates: certificates.filter(isShown).length,
    renewals: made.renewals.filter(isShown),
    findings: made.findings.filter(isShown),
  }
}
