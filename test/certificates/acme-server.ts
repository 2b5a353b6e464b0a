// Let's Encrypt's production limits, written as plainly as its page has them, and apart from src: a log of what was accepted, and a
// count over every stretch of time that ends now. https://letsencrypt.org/docs/rate-limits/

const HOUR = 3_600_000
/** How many at once, and after how many ms one more. */
const RULES = {
  set: [5, (7 * 24 * HOUR) / 5],
  domain: [50, (7 * 24 * HOUR) / 50],
  account: [300, (3 * HOUR) / 300],
  failure: [5, HOUR / 5],
} as const

interface Logged {
  readonly subject: string
  readonly at: number
}

export interface ServerOrder {
  readonly account: string
  readonly names: readonly string[]
  /** Their registered domains: the test knows them, so that no list of suffixes is asked here. */
  readonly domains: readonly string[]
}

/** `order` answers whether a certificate is issued; `fail` is an order whose validations fail. */
export function acmeServer() {
  const log: Logged[] = []
  const isOver = (subject: string, at: number): boolean => {
    const [burst, refill] = RULES[kindOf(subject)]
    const own = log.filter((one) => one.subject === subject)
    return own.some((first, i) => own.length - i + 1 > burst + (at - first.at) / refill)
  }
  const subjectsOf = ({ account, names, domains }: ServerOrder) => {
    const set = `set ${[...new Set(names)].toSorted().join()}`
    const isRenewal = log.some(({ subject }) => subject === set)
    return isRenewal ? [set] : [set, `account ${account}`, ...new Set(domains.map((domain) => `domain ${domain}`))]
  }
  return {
    order(order: ServerOrder, at: number): boolean {
      const subjects = subjectsOf(order)
      const failures = order.names.map((name) => `failure ${order.account} ${name}`)
      if ([...subjects, ...failures].some((subject) => isOver(subject, at))) return false
      log.push(...subjects.map((subject) => ({ subject, at })))
      return true
    },
    fail({ account, names }: ServerOrder, at: number): void {
      const failures = names.map((name) => `failure ${account} ${name}`)
      log.push(...[`account ${account}`, ...failures].map((subject) => ({ subject, at })))
    },
  }
}

function kindOf(subject: string): keyof typeof RULES {
  if (subject.startsWith('set ')) return 'set'
  if (subject.startsWith('domain ')) return 'domain'
  return subject.startsWith('account ') ? 'account' : 'failure'
}
