import { expect, test } from 'vitest'
import { live } from '../../src/cluster/object.ts'
import { synced } from '../../src/gitops/synced.ts'

const application = (status: object | undefined) =>
  live.parse({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { name: 'platform' }, status })
const error = (message: string) => ({ conditions: [{ type: 'ComparisonError', message }] })

test.each([
  ['nothing is known yet', undefined, { is: 'waiting', why: 'Argo CD has not processed it yet' }],
  [
    'it is compared, synced and healthy',
    { sync: { status: 'Synced', revision: '90ab1c2' }, health: { status: 'Healthy' } },
    { is: 'ready', revision: '90ab1c2' },
  ],
  [
    'an object is not healthy',
    {
      sync: { status: 'Synced' },
      health: { status: 'Progressing' },
      resources: [
        { kind: 'Namespace', name: 'database' },
        {
          kind: 'Certificate',
          namespace: 'database',
          name: 'tls',
          health: { status: 'Progressing', message: 'Issuing certificate' },
        },
      ],
    },
    {
      is: 'waiting',
      why: 'Synced, Progressing; Certificate database/tls is Progressing: Issuing certificate',
      unwell: ['Certificate/database/tls'],
    },
  ],
  [
    'a sync has failed, and is tried again',
    { sync: { status: 'OutOfSync' }, operationState: { phase: 'Failed', message: 'one or more objects failed' } },
    { is: 'waiting', why: 'Failed: one or more objects failed' },
  ],
  [
    'what a failed sync left has been put right since',
    {
      sync: { status: 'Synced', revision: '90ab1c2' },
      health: { status: 'Healthy' },
      operationState: { phase: 'Failed', message: 'one or more objects failed' },
    },
    { is: 'ready' },
  ],
  [
    'the login is refused',
    error('authentication required'),
    { is: 'failed', what: 'the Git server refuses the login' },
  ],
  ['the host key is not known', error('ssh: handshake failed: knownhosts: key is unknown'), { is: 'failed' }],
  ['the branch is not there', error("unable to resolve 'mian' to a commit SHA"), { what: 'there is no such branch' }],
  ['the folder is not there', error('clusters/x: app path does not exist'), { what: /no such folder/ }],
  ['the CA is not trusted', error('x509: certificate signed by unknown authority'), { what: /not trusted/ }],
  ['words that nobody has explained', error('it rains'), { is: 'failed', why: 'ComparisonError: it rains' }],
])('%s', (_, status, expected) => {
  const found = synced(application(status))
  for (const [key, value] of Object.entries(expected)) {
    const said = key in found ? Reflect.get(found, key) : undefined
    if (value instanceof RegExp) expect(said).toMatch(value)
    else expect(said).toEqual(value)
  }
})

test('an Application that does not exist is waited for', () => {
  expect(synced(null)).toEqual({ is: 'waiting', why: 'it does not exist' })
})

const good = { sync: { status: 'Synced', revision: '90ab1c2' }, health: { status: 'Healthy' } }
const from = (path: string) => ({ repoURL: 'https://git.example/platform.git', targetRevision: 'main', path })

test('a status of before Argo CD was asked to look again says nothing', () => {
  const metadata = { name: 'platform', annotations: { 'argocd.argoproj.io/refresh': 'normal' } }
  expect(synced({ ...application(good), metadata })).toMatchObject({ is: 'waiting' })
})

test('a status of another folder says nothing', () => {
  const compared = (path: string) => ({ ...good, sync: { ...good.sync, comparedTo: { source: from(path) } } })
  const wanted = { source: from('clusters/edge-1') }
  expect(synced({ ...application(compared('clusters/old')), spec: wanted })).toMatchObject({ is: 'waiting' })
  expect(synced({ ...application(compared('clusters/edge-1')), spec: wanted })).toMatchObject({ is: 'ready' })
})
