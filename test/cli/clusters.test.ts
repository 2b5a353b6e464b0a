// Servers of one cluster are found in the inventory: the founder comes first, whatever it is called by.

import { describe, expect, test } from 'vitest'
import { bootstrap } from '../../roles/k3s_platform_bootstrap/role.ts'
import { clusterPlaces } from '../../src/cli/clusters.ts'
import { context, varsOf } from '../roles/k3s_platform_bootstrap/given.ts'

/** What the role says of a host with these variables, named without `k3s_platform_`. */
function member(host: string, address: string, vars: Readonly<Record<string, unknown>> = {}) {
  const membership = bootstrap.membership?.(varsOf(vars), { ...context, host, address })
  return { host, memberships: membership === undefined ? [] : [membership] }
}

const joining = (server: string) => ({ k3s_config: { server } })

describe('a server that joins', () => {
  test.each([
    ['its address', 'https://10.0.0.1:6443', {}],
    ['its name in the inventory, in capitals and with a slash', 'https://S1:6443/', {}],
    ['a name of its certificate', 'https://k8s.example:6443', { tls_sans: ['k8s.example'] }],
    ['another port', 'https://s1:7443', { k3s_config: { 'https-listen-port': 7443 } }],
  ])('comes after the founder, found by %s', (_, server, founder) => {
    const places = clusterPlaces([
      member('s2', '10.0.0.2', joining(server)),
      member('s1', '10.0.0.1', founder),
      member('other', '10.0.0.9'),
    ])
    expect(places.get('s2')?.after).toEqual(['s1'])
    expect(places.get('s1')).toEqual({ keys: places.get('s2')?.keys, after: [] })
    expect([...places.keys()]).toEqual(['s2', 's1'])
  })

  test('waits for none that joins itself, though all have the name of the load balancer', () => {
    const vip = { tls_sans: ['vip.example'] }
    const more = { ...vip, ...joining('https://vip.example:6443') }
    const places = clusterPlaces([
      member('s1', '10.0.0.1', vip),
      member('s2', '10.0.0.2', more),
      member('s3', '10.0.0.3', more),
    ])
    expect(['s1', 's2', 's3'].map((host) => places.get(host)?.after)).toEqual([[], ['s1'], ['s1']])
  })

  test('and joins a server that is not in the run shares its turn with the others that do', () => {
    const places = clusterPlaces([
      member('s2', '10.0.0.2', joining('https://s1:6443')),
      member('s3', '10.0.0.3', joining('https://s1:6443')),
    ])
    expect(places.get('s2')).toEqual({ keys: ['server https://s1:6443'], after: [] })
    expect(places.get('s3')).toEqual(places.get('s2'))
  })
})
