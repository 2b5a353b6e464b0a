import { expect, test } from 'vitest'
import type { Row } from '../../src/diagnosis/diagnose.ts'
import page from '../../templates/troubleshooting.md.hbs'
import { catalog } from '../diagnosis/catalog.ts'

/** What only a run knows is left open; in a table of Markdown `|` ends a cell even in code. */
const open = (text: string) => text.replace(/\{\w+\}|(?:\$\d)+/g, '…').replaceAll('|', '\\|')

/** One line for each hint. */
function listed(table: readonly Row[]) {
  const hints = [...new Set(table.map(({ hint = '' }) => hint))]
  return hints.map((hint) => {
    const causes = table.filter((row) => (row.hint ?? '') === hint).map(({ cause }) => open(cause))
    const known = [...new Set(causes)].filter((cause) => cause !== '…')
    return { causes: known.map((cause) => `\`${cause}\``).join(', '), hint: open(hint).replaceAll('<', '\\<') }
  })
}

const listedTables = Object.fromEntries(Object.entries(catalog).map(([name, table]) => [name, listed(table)] as const))

test('docs/troubleshooting.md lists every cause of the tables with what to do', async () => {
  await expect(page(listedTables)).toMatchFileSnapshot('../../docs/troubleshooting.md')
})

/** Of headings that quoted a message in former words. */
const former = [
  'sudo-wants-a-password-for-',
  'not-healthy-after-the-restart--the-last-good-configuration-is-back-and-running',
  'not-converged-after-apply-the-plan-still-has-it',
  'external-dns-needs-the-token-of-cloudflare-and-none-is-given-or-promised',
  'there-is-no-k3s-for-the-addons-the-api-of-k3s-does-not-answer',
  'the-chart--is-not-to-be-had-there-is-no-chart-named--there-is-no-version--of-the-chart-',
  'not-ready-after-',
  'the-webhook--does-not-answer--the-api-has-not-taken-it-for-60-s',
  'a-field-belongs-to-another-manager-and-nothing-is-forced',
  'copies-a-secret-between-namespaces',
  'flux-controllers-made-by-kubectl-apply-and-nothing-is-forced',
  'gitrepository--cannot-be-fetched-',
  'exit-code-64-no-folder--no-branch---refuses-the-login-shows-another-host-key--is-not-trusted',
]

test.each(former)('the former anchor #%s still leads to its heading', (anchor) => {
  expect(page(listedTables)).toMatch(new RegExp(`<a id="${anchor}"></a>\\n\\n#{2,3} `))
})
