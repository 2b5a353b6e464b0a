// Why a Vault does not answer as one, in words: the ways there, TLS, and what answers in its place.

export interface Silence {
  readonly why: string
  readonly hint?: string
}

interface Row {
  readonly says: RegExp
  readonly tell: (server: URL, words: string) => Silence
}

const SERVER = 'k3s_platform_vault_server'

/** Words of sshd and of Node.js; the codes of TLS: https://nodejs.org/docs/latest/api/tls.html#x509-certificate-error-codes */
const ROWS: readonly Row[] = [
  {
    says: /connection refused|ECONNREFUSED/i,
    tell: ({ host }) => ({
      why: `connection refused: nothing listens at ${host}`,
      hint: `start it, or correct ${SERVER}`,
    }),
  },
  {
    says: /unknown host|not known|resol|no address|getaddrinfo|failure in name/i,
    tell: ({ hostname }) => ({
      why: `the node does not know the name ${hostname}`,
      hint: `name a Service of the cluster as <name>.<namespace>.svc, anything else as the node's resolver knows it: ${SERVER}`,
    }),
  },
  {
    says: /no answer within|timed out|no route|unreachable/i,
    tell: ({ host }, words) => ({ why: words, hint: `see that the node reaches ${host}: a firewall, a route` }),
  },
  {
    says: /altname|ERR_TLS_CERT_ALTNAME_INVALID/i,
    tell: ({ hostname }) => ({
      why: `its TLS certificate is for other names than ${hostname}`,
      hint: `use a name that is in it: ${SERVER}`,
    }),
  },
  {
    says: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    tell: (_, words) => ({ why: `its TLS certificate is not valid now: ${words}`, hint: 'renew it, or set the clock' }),
  },
  {
    says: /SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_|self.signed|unable to (get|verify)/,
    tell: (_, words) => ({
      why: `its TLS certificate is not trusted: ${words}`,
      hint: 'give its CA as PEM: k3s_platform_vault_ca',
    }),
  },
  {
    says: /wrong version number|EPROTO|packet length too long|ERR_SSL/i,
    tell: () => ({ why: 'it does not speak TLS', hint: `http:// in ${SERVER}, if that is meant` }),
  },
]

/** Go's own words, in plain text. */
const ONLY_TLS: Row = {
  says: /^Client sent an HTTP request to an HTTPS server/,
  tell: () => ({ why: 'it speaks only TLS', hint: `https:// in ${SERVER}` }),
}

/** Of an error that came in place of an answer. */
export function silenceOf(error: unknown, server: URL): Silence {
  const code = error instanceof Error && 'code' in error ? `${String(error.code)} ` : ''
  const words = `${code}${error instanceof Error ? error.message : String(error)}`.replace(/\s+/g, ' ').trim()
  return ROWS.find(({ says }) => says.test(words))?.tell(server, words) ?? { why: words }
}

/** Of an answer that is none of Vault's API. */
export function strange(status: number, body: string, server: URL): Silence {
  if (ONLY_TLS.says.test(body)) return ONLY_TLS.tell(server, body)
  const what = status >= 500 ? 'is not ready, or what stands before it is not' : 'is no Vault, or is not at the root'
  return { why: `HTTP ${status}: what answers at ${server.host} ${what}`, hint: `check ${SERVER}` }
}
