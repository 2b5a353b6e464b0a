// Whole trees, by what the inventory says, and what holds for each of them.

import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { filesIn, folder, inventory, render } from './kit.ts'

const cases = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .parse(parse(readFileSync(join(import.meta.dirname, 'trees.yaml'), 'utf8')))

async function treeOf(vars: Readonly<Record<string, unknown>>): Promise<Map<string, string>> {
  const tree = folder()
  expect(await render(['-i', inventory(vars), '--tree', tree])).toMatchObject({ code: 0 })
  return filesIn(tree)
}

describe.each(Object.entries(cases))('%s', (_, vars) => {
  test('is the tree that it was', async () => {
    const files = [...(await treeOf(vars))].filter(([path]) => !path.endsWith('.sha256'))
    expect(`\n${files.map(([path, text]) => `=== ${path}\n${text}`).join('')}`).toMatchSnapshot()
  })

  test('has the same bytes each time, in whatever order the inventory is written', async () => {
    const reversed = Object.fromEntries(Object.entries(vars).toReversed())
    expect(await treeOf(reversed)).toEqual(await treeOf(vars))
  })

  test('names every file in a kustomization.yaml beside it, and no file that is not there', async () => {
    const files = await treeOf(vars)
    const named = new Set<string>()
    for (const [path, text] of files) {
      if (!path.endsWith('/kustomization.yaml')) continue
      for (const one of z.object({ resources: z.array(z.string()) }).parse(parse(text)).resources) {
        const found = normalize(join(dirname(path), one))
        const file = one.endsWith('.yaml') ? found : `${found}/kustomization.yaml`
        expect(files.has(file), file).toBe(true)
        named.add(file)
      }
    }
    const objects = [...files.keys()].filter(
      (path) => path.endsWith('.yaml') && !/(kustomization|\.sops)\.yaml$/.test(path),
    )
    expect(objects.filter((path) => !named.has(path))).toEqual([])
  })

  test('holds no Secret', async () => {
    const kinds = [...(await treeOf(vars))]
      .filter(([path]) => path.endsWith('.yaml'))
      .flatMap(([, text]) => [...parseAllDocuments(text)].map((one) => one.get('kind')))
    expect(kinds).not.toContain('Secret')
  })
})

test.each<[vars: Readonly<Record<string, unknown>>, said: string]>([
  [{ handoff: 'argocd' }, 'k3s_platform_handoff: Argo CD requires the URL of the repository'],
  [{ handoff: 'none', handoff_addons: true }, 'k3s_platform_handoff: the addons can only be handed over to Flux'],
  [{ handoff_addons: true }, 'k3s_platform_handoff_addons: the addons can only be handed over to Flux'],
  [
    { handoff: 'flux', handoff_addons: true, caddy_chart_file: './caddy.tgz' },
    'k3s_platform_caddy_chart_file: Flux cannot fetch the chart of caddy: it is a file on the workstation',
  ],
  [
    {
      handoff: 'flux',
      certificates: [
        { name: 'a-b', namespaces: ['c'], dnsNames: ['x.svc.plus'], issuer: 'svc-plus-selfsigned' },
        { name: 'a', namespaces: ['b-c'], dnsNames: ['x.svc.plus'], issuer: 'svc-plus-selfsigned' },
      ],
    },
    'k3s_platform_certificates[1].name: the Kustomizations of c/a-b and b-c/a would both be a-b-c',
  ],
  [{ git_url: 'https://user:hunter22@git.svc.plus/x.git' }, 'k3s_platform_git_url: expected an https or ssh URL'],
  [{ flux_root_path: '../elsewhere' }, 'k3s_platform_flux_root_path: expected a directory of the repository'],
])('with %j no tree is written, and the place is named', async (vars, said) => {
  const tree = folder()
  const { code, text } = await render(['-i', inventory(vars), '--tree', tree])
  expect([code, filesIn(tree).size]).toEqual([64, 0])
  expect(text).toContain(said)
  expect(text).toMatch(/hosts\.yaml:\d+:\d+/)
  expect(text).not.toContain('hunter22')
})

test('the original environment variables say where the repository is and where the cluster begins', async () => {
  const tree = folder()
  const env = {
    GITOPS_REPO: 'ssh://git@git.svc.plus/x.git',
    K3S_PLATFORM_FLUX_ROOT_PATH: './environments/clusters/prod',
  }
  expect(await render(['-i', inventory({}), '--tree', tree], env)).toMatchObject({ code: 0 })
  expect(filesIn(tree).get('environments/clusters/prod/README.md')).toContain(
    'of ssh://git@git.svc.plus/x.git, branch main',
  )
})
