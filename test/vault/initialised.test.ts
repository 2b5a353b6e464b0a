// A new Vault is initialised once; its keys are kept before anything else; whatever is cut short is healed or explained.

import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LinkError } from '../../src/host/transport.ts'
import { type InitSpec, vaultInitialised } from '../../src/vault/initialised.ts'
import { BOOTSTRAP, keptKeys } from '../../src/vault/key-secret.ts'
import { keysOf } from '../../src/vault/keys.ts'
import { apiError, type FakeCluster } from '../cluster/fake.ts'
import { changeOf, made, planned } from '../cluster/kit.ts'
import { clusterWith, FakeVault, json, refused } from './fake.ts'
import { type Keeper, keeper, PATH, SERVER } from './kit.ts'

const WHERE = `edge-1 Vault ${SERVER}`
const DONE = { waits: [], problem: '' }

const resourceOf = (kept: Keeper, more: Partial<InitSpec> = {}) =>
  vaultInitialised({ server: SERVER, shares: 5, threshold: 3, given: undefined, boundSeconds: 1, ...kept, ...more })

async function start(how: Parameters<typeof keeper>[0] = { age: true }, more: Partial<InitSpec> = {}) {
  const vault = new FakeVault()
  const cluster = clusterWith(vault, 'extsvc')
  const kept = await keeper(how)
  return { vault, cluster, kept, resource: resourceOf(kept, more) }
}

const keptJson = async (cluster: FakeCluster) => JSON.parse((await keptKeys(cluster))?.json.reveal() ?? 'null')

function expectNone(vault: FakeVault, found: unknown): void {
  const text = typeof found === 'string' ? found : inspect(found, { depth: null })
  expect(vault.secrets.filter((secret) => secret !== '' && text.includes(secret))).toEqual([])
}

describe('a new Vault', () => {
  test('is initialised, its key shares are in the Secret and the file, it is open, and then there is nothing to do', async () => {
    const { vault, cluster, kept, resource } = await start()
    expect(await planned(resource, cluster)).toBe(
      `action: initialize Vault (5 key shares, threshold 3), store them in Secret extsvc/vault-bootstrap and ${PATH}`,
    )
    expect(vault.calls, 'a plan changes nothing').toEqual(['GET sys/seal-status'])
    expect(cluster.count('apply')).toBe(0)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect([vault.initialized, vault.sealed]).toEqual([true, false])
    const json = await keptJson(cluster)
    expect(json).toMatchObject({ root_token: vault.root, unseal_threshold: 3 })
    expect(json.unseal_keys_b64).toHaveLength(5)
    expect(Buffer.from(String(Object(cluster.peek(BOOTSTRAP)?.data).root_token), 'base64').toString()).toBe(vault.root)
    expect(JSON.parse(await kept.opened(PATH))).toEqual(json)
    expect(await planned(resource, cluster)).toBe('none')
    expect(kept.shown).toEqual([])
    expect([...kept.files.at.keys()], 'the proof is gone').toEqual([PATH])
  })

  test('is shown once, and only after it is kept and open', async () => {
    const { vault, cluster, kept, resource } = await start({ show: true })
    vault.after = () => expect(kept.shown).toEqual([])
    expect(await made(resource, cluster)).toEqual(DONE)
    const text = kept.shown.join('\n')
    for (const key of vault.keys) expect(text).toContain(key.toString('base64'))
    expect(text).toContain(`Initial Root Token: ${vault.root}`)
    expect(text).toContain('They are also in Secret extsvc/vault-bootstrap.')
    await made(resource, cluster)
    expect(kept.shown.join('\n')).toBe(text)
    expect(kept.files.at.size).toBe(0)
  })

  test('tells none of its keys in what is planned, waited for or made', async () => {
    const { vault, cluster, resource } = await start({ age: true, show: true })
    const told: unknown[] = [await changeOf(resource, cluster)]
    told.push(await made(resource, cluster), resource, await changeOf(resource, cluster))
    vault.sealed = true
    told.push(await changeOf(resource, cluster))
    vault.fault = (call) => (call === 'PUT sys/unseal' ? json(400, { errors: [`bad ${vault.secrets[1]}`] }) : undefined)
    const { problem } = await made(resource, cluster)
    expect(problem).toContain('why: bad ***')
    expectNone(vault, [...told, problem])
  })

  test.each([
    [
      'the terminal is refused',
      { show: true, refused: 'CI is set' },
      'they are configured to be shown, but cannot be: CI is set',
    ],
    ['nothing was said', {}, 'there is nowhere to store its key shares'],
  ])('is not initialised where its keys have no place: %s', async (_, how, why) => {
    const { vault, cluster, resource } = await start(how)
    const words = await planned(resource, cluster)
    expect(words).toContain(`${WHERE}: it is not initialized: there is nowhere to store its key shares`)
    expect(words).toContain(why)
    vault.fault = () => (vault.calls.length === 2 ? refused() : undefined)
    expect((await made(resource, cluster)).problem).toBe(words)
    expect(vault.calls).not.toContain('PUT sys/init')
  })

  test('with a file for its keys needs no terminal', async () => {
    const { vault, cluster, kept, resource } = await start({ age: true, show: true, refused: 'CI is set' })
    expect(await made(resource, cluster)).toEqual(DONE)
    expect([vault.sealed, kept.shown.length, kept.files.at.has(PATH)]).toEqual([false, 0, true])
  })

  test.each([
    [
      'the file cannot be written',
      (kept: Keeper) => {
        kept.files.fault = () => {
          throw new Error('EACCES: permission denied')
        }
      },
      'the file for its key shares cannot be written\nwhy: EACCES: permission denied',
    ],
    [
      'the Secret is refused',
      (_: Keeper, cluster: FakeCluster) => {
        cluster.fault = ({ verb, id }) =>
          verb === 'apply' && id.startsWith('Secret/') && cluster.count('apply', true) > 2
            ? apiError(403, 'Forbidden', 'exceeded quota: small')
            : undefined
      },
      'Secret extsvc/vault-bootstrap for its key shares cannot be written\nwhy: exceeded quota: small',
    ],
  ])('is not initialised when %s', async (_, fault, words) => {
    const { vault, cluster, kept, resource } = await start()
    fault(kept, cluster)
    expect((await made(resource, cluster)).problem).toContain(`${WHERE}: it is not initialized: ${words}`)
    expect(vault.initialized).toBe(false)
  })

  test('is not initialised for a key of age that is none', async () => {
    const { vault, cluster, kept } = await start()
    const resource = resourceOf(kept, { age: { path: PATH, recipients: ['age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq'] } })
    expect(await planned(resource, cluster)).toContain(`${WHERE}: its key shares cannot be encrypted to age1qqq`)
    expect(vault.initialized).toBe(false)
  })

  test('never takes the place of the keys of another', async () => {
    const { vault, cluster, kept, resource } = await start()
    kept.files.at.set(PATH, 'of another')
    kept.files.at.set(PATH.replace('.age', '-2.age'), 'of yet another')
    expect(await planned(resource, cluster)).toContain('and ~/.kube/k3s-platform/edge-1-vault-init-3.age')
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(kept.files.at.get(PATH)).toBe('of another')
    expect(await kept.opened(PATH.replace('.age', '-3.age'))).toContain(vault.root)

    // Its storage is lost: the keys in the Secret are those of the old one.
    const next = new FakeVault()
    cluster.answer = next.answer
    expect(await planned(resource, cluster)).toContain(
      `${WHERE}: it is not initialized, but Secret extsvc/vault-bootstrap contains the key shares of a Vault`,
    )
    expect(next.initialized).toBe(false)
  })

  test('whose Secret GitOps has is not initialised', async () => {
    const { cluster, resource } = await start()
    const labels = { 'kustomize.toolkit.fluxcd.io/name': 'apps' }
    cluster.put({ ...BOOTSTRAP, metadata: { ...BOOTSTRAP, labels }, data: {} })
    expect(await planned(resource, cluster)).toContain('why: Flux (apps) contains Secret extsvc/vault-bootstrap')
  })

  test('that opens itself is left to others', async () => {
    const { vault, cluster, resource } = await start()
    vault.type = 'awskms'
    expect(await planned(resource, cluster)).toContain(`${WHERE}: it is not initialized, and would have no unseal keys`)
  })
})

describe('a Vault that was initialised before', () => {
  test('and is open is fine, whoever has done it', async () => {
    const { vault, cluster, kept, resource } = await start()
    vault.init()
    vault.sealed = false
    expect(await planned(resource, cluster)).toBe('none')
    expect(kept.files.at.size).toBe(0)
  })

  test('and is sealed again is opened by the keys of the Secret', async () => {
    const { vault, cluster, resource } = await start()
    await made(resource, cluster)
    vault.sealed = true
    expect(await planned(resource, cluster)).toBe(`action: unseal Vault ${SERVER}`)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect([vault.sealed, vault.calls.filter((call) => call === 'PUT sys/init').length]).toEqual([false, 1])
  })

  test('and is sealed is opened by keys that others kept under another name', async () => {
    const { vault, cluster, kept, resource } = await start()
    const text = Buffer.from(vault.init()).toString('base64')
    cluster.put({ ...BOOTSTRAP, metadata: { ...BOOTSTRAP }, data: { 'vault-init.json': text, other: 'eA==' } })
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(vault.sealed).toBe(false)
    expect(await kept.opened(PATH)).toContain(vault.root)
    expect(await planned(resource, cluster)).toBe('none')
  })

  test('and is sealed is opened by keys from the input', async () => {
    const { vault, cluster, kept } = await start()
    const resource = resourceOf(kept, { given: keysOf(vault.init()) ?? undefined })
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(vault.sealed).toBe(false)
  })

  test('and was given keys by somebody else begins anew', async () => {
    const { vault, cluster, resource } = await start()
    await made(resource, cluster)
    vault.sealed = true
    await vault.answer({
      host: '',
      port: 0,
      timeoutMs: 0,
      method: 'PUT',
      path: '/v1/sys/unseal',
      body: '{"key":"theirs"}',
    })
    expect(vault.progress).toBe(1)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(vault.sealed).toBe(false)
  })

  test('with keys that nobody knows is explained', async () => {
    const { vault, cluster, resource } = await start()
    vault.init()
    const words = await planned(resource, cluster)
    expect(words).toContain(`${WHERE}: it is initialized and sealed, but its key shares are unknown`)
    expect(words).toContain(
      'hint: to take over an existing one: k3s_platform_vault_bootstrap_mode: migrate, with VAULT_ROOT_TOKEN and VAULT_INIT_JSON',
    )
  })

  test('with the keys of another Vault is explained, and stays as it is', async () => {
    const { vault, cluster, kept } = await start()
    const given = keysOf(new FakeVault().init()) ?? undefined
    vault.init()
    const { problem } = await made(resourceOf(kept, { given }), cluster)
    expect(problem).toContain(`${WHERE}: it does not unseal with the key shares from the input\nwhy: invalid key: ***`)
    expectNone(vault, problem)
    expect(vault.sealed).toBe(true)
  })
})

describe('a run that ends in between', () => {
  const killed = new Error('killed')

  /** What a killed process leaves, whose next call of that kind does not come. */
  async function killedAt(stop: (state: Awaited<ReturnType<typeof start>>) => void) {
    const state = await start()
    stop(state)
    await made(state.resource, state.cluster).catch((error: unknown) => expect(error).toBe(killed))
    state.vault.fault = () => undefined
    state.vault.after = () => undefined
    state.cluster.fault = () => undefined
    state.kept.files.fault = () => undefined
    return state
  }
  const throwKilled = (): never => {
    throw killed
  }

  test('before the first key is opened by the next', async () => {
    const { vault, cluster, resource } = await killedAt(({ vault }) => {
      vault.fault = (call) => (call === 'PUT sys/unseal' ? throwKilled() : undefined)
    })
    expect([vault.initialized, vault.sealed]).toEqual([true, true])
    expect(await planned(resource, cluster)).toBe(`action: unseal Vault ${SERVER}`)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(await planned(resource, cluster)).toBe('none')
  })

  test('before the file is there has it written by the next, from the Secret', async () => {
    const { vault, cluster, kept, resource } = await killedAt(({ kept }) => {
      kept.files.fault = (path) => (path === PATH ? throwKilled() : undefined)
    })
    expect(vault.initialized).toBe(true)
    expect(await planned(resource, cluster)).toBe(`action: unseal Vault ${SERVER}, write its key shares to ${PATH}`)
    expect(await made(resource, cluster)).toEqual(DONE)
    expect(await kept.opened(PATH)).toContain(vault.root)
    expect(await planned(resource, cluster)).toBe('none')
    // It is put into a safe: it is not written again.
    kept.files.at.clear()
    expect(await planned(resource, cluster)).toBe('none')
  })

  test('without the Secret has its keys in the file, and says so', async () => {
    const { vault, cluster, kept, resource } = await start()
    vault.after = (call) => {
      if (call === 'PUT sys/init') cluster.fault = ({ verb }) => (verb === 'apply' ? new LinkError('gone') : undefined)
    }
    const { problem } = await made(resource, cluster)
    expect(problem).toContain(
      `${WHERE}: it was initialized, but its key shares are only in ${PATH}\nwhy: gone\nhint: to take over an existing one: k3s_platform_vault_bootstrap_mode: migrate`,
    )
    const given = keysOf(await kept.opened(PATH)) ?? undefined
    cluster.fault = () => undefined
    vault.after = () => undefined
    expect(await made(resourceOf(kept, { given }), cluster)).toEqual(DONE)
    expect(vault.sealed).toBe(false)
  })

  test('without any place for the keys shows them at once', async () => {
    const { vault, cluster, kept, resource } = await start({ show: true })
    vault.after = (call) => {
      if (call === 'PUT sys/init') cluster.fault = ({ verb }) => (verb === 'apply' ? new LinkError('gone') : undefined)
    }
    expect((await made(resource, cluster)).problem).toContain('its key shares are only in the terminal output')
    expect(kept.shown.join('\n')).toContain(vault.root)
  })

  test('that the user stops keeps the keys first', async () => {
    const { vault, cluster, kept, resource } = await start()
    const stop = new AbortController()
    vault.after = (call) => {
      if (call === 'PUT sys/init') stop.abort()
    }
    await made(resource, cluster, { stop: stop.signal })
    expect(JSON.parse(await kept.opened(PATH))).toEqual(await keptJson(cluster))
  })

  test.each([
    [true, 'the initialization was requested, but the response with its key shares was lost'],
    [false, 'it was not initialized'],
  ])('with the answer lost is explained (it was initialised: %s)', async (late, words) => {
    const { vault, cluster, resource } = await start()
    if (late) vault.after = (call) => (call === 'PUT sys/init' ? refused() : undefined)
    else vault.fault = (call) => (call === 'PUT sys/init' ? refused() : undefined)
    const { problem } = await made(resource, cluster)
    expect(problem).toContain(`${WHERE}: ${words}\nwhy: vault.svc.plus:8200 refused the connection`)
    expect(vault.initialized).toBe(late)
  })

  test('whose Vault somebody else initialises at the same time is no reason to throw it away', async () => {
    const { vault, cluster, resource } = await start()
    vault.fault = (call) => void (call === 'PUT sys/init' && vault.init())
    const { problem } = await made(resource, cluster)
    expect(problem).toContain(`${WHERE}: it refuses the initialization\nwhy: Vault is already initialized`)
    expect(problem).not.toContain('storage')
  })
})

describe('a Vault that is to come', () => {
  test('is waited for, and initialised then', async () => {
    const { vault, cluster, resource } = await start()
    vault.fault = () => (vault.calls.length < 4 ? refused() : undefined)
    expect(await planned(resource, cluster)).toContain(
      `action: wait for Vault ${SERVER} (vault.svc.plus:8200 refused the connection: Connection refused); if it is new, initialize`,
    )
    const { waits, problem } = await made(resource, cluster, { boundSeconds: 10 })
    expect([waits, problem]).toEqual([['vault.svc.plus:8200 refused the connection: Connection refused (10 s)'], ''])
    expect(vault.sealed).toBe(false)
  })

  test('and does not is explained', async () => {
    const { vault, cluster, resource } = await start()
    vault.fault = refused
    expect((await made(resource, cluster, { boundSeconds: 1 })).problem).toBe(
      `${WHERE}: it did not answer within 1 s
why: vault.svc.plus:8200 refused the connection: Connection refused
hint: start Vault, or correct k3s_platform_vault_server`,
    )
  })

  test('over a connection that is lost is not waited for', async () => {
    const { vault, cluster, resource } = await start()
    vault.fault = refused
    const change = await changeOf(resource, cluster)
    cluster.fault = ({ verb }) => (verb === 'get' ? new LinkError('the connection is gone') : undefined)
    const signal = new AbortController().signal
    const how = {
      host: 'edge-1',
      now: Date.now,
      signal,
      stop: signal,
      boundSeconds: 60,
      wait: () => undefined,
      warn: () => undefined,
      output: () => undefined,
    }
    await expect(resource.make(change, cluster, how)).rejects.toThrow('the connection is gone')
  })
})
