// Formats the domains of applications as a table: whether each has a certificate, and whether DNS leads to the host.

import { alignColumns } from './align.ts'
import type { TlsStatus } from './state.ts'

export interface DomainRow {
  readonly host: string
  readonly domain: string
  readonly tls_status: TlsStatus
  /** null: DNS did not answer. */
  readonly dns_configured: boolean | null
  /** RFC 3339; null: not issued yet. */
  readonly expires: string | null
  readonly secret: string
}

/** With a column for the host where there are several. */
export function domainText(rows: readonly DomainRow[]): string {
  const several = new Set(rows.map(({ host }) => host)).size > 1
  const lines = rows.map(({ host, domain, tls_status, dns_configured, expires, secret }) => [
    ...(several ? [host] : []),
    ...[
      domain,
      tls_status,
      dns_configured === null ? 'unknown' : dns_configured ? 'yes' : 'no',
      expires ?? '-',
      secret,
    ],
  ])
  const head = [...(several ? ['HOST'] : []), 'DOMAIN', 'STATUS', 'DNS', 'EXPIRES', 'SECRET']
  return `${alignColumns([head, ...lines]).join('\n')}\n`
}

/** Whether all addresses of a domain are among those of the host; null: DNS did not answer for one of the two. */
export function leadsTo(domain: readonly string[] | null, host: readonly string[] | null): boolean | null {
  if (domain === null || host === null) return null
  return domain.length > 0 && domain.every((address) => host.includes(address))
}
