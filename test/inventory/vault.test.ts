// Encrypted files: what the real ansible-vault made and makes, files of age, and what is said when they do not open.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { armor, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../src/engine/secret.ts'
import { ageOpener } from '../../src/inventory/age.ts'
import { type Decrypt, decryptOrProblem, encryption } from '../../src/inventory/decrypt.ts'
import { type VaultPassword, vaultOpener } from '../../src/inventory/vault.ts'

const folder = join(import.meta.dirname, 'fixtures/vault')
const file = (name: string) => readFileSync(join(folder, name), 'utf8')
const clear = file('clear.yaml')

/** Opens text as the files of an inventory are; a problem is told in one line. */
async function opened(decrypt: Decrypt | undefined, given: string | Uint8Array): Promise<string> {
  const data = Buffer.from(given)
  const result = await decryptOrProblem(decrypt, {
    place: { at: 'vault.yaml', path: '' },
    format: encryption(data) ?? 'ansible-vault',
    data,
  })
  if (result.problem === undefined) return result.text
  const { where, what, why, hint } = result.problem
  return `x ${where}: ${what}${why === undefined ? '' : ` [${why}]`}${hint === undefined ? '' : ` (${hint})`}`
}

function password(text: string, label = 'default', asked: string[] = []): VaultPassword {
  const from = `of ${label}`
  const read = async () => {
    asked.push(from)
    return new Secret(text)
  }
  return { label, from, read }
}

const right = password('correct horse')
const prod = password('battery staple', 'prod')

/** Another outer text around the parts of a file. */
function altered(name: string, change: (parts: string[]) => string[]): string {
  const [head = '', ...lines] = file(name).trim().split('\n')
  const parts = Buffer.from(lines.join(''), 'hex').toString('latin1').split('\n')
  return `${head}\n${Buffer.from(change(parts).join('\n')).toString('hex')}\n`
}
const flip = (hex: string) => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`
const v11 = file('v11.yaml')

describe('ansible-vault', () => {
  test.each([
    ['1.1', v11, [right]],
    ['1.2 with a label', file('v12.yaml'), [prod]],
    ['1.2 by a password of another label', file('v12.yaml'), [password('battery staple', 'other')]],
    ['the second of two passwords', v11, [password('wrong'), right]],
    ['with Windows line ends', v11.replaceAll('\n', '\r\n'), [right]],
  ])('opens %s', async (_, text, passwords) => {
    expect(await opened(vaultOpener(passwords), text)).toBe(clear)
  })

  test('tries the password with the label of the file first, and asks for no other', async () => {
    const asked: string[] = []
    const opener = vaultOpener([password('x', 'default', asked), password('battery staple', 'prod', asked)])
    expect(await opened(opener, file('v12.yaml'))).toBe(clear)
    expect(asked).toEqual(['of prod'])
  })

  test('reads each password once, however many files there are', async () => {
    const asked: string[] = []
    const opener = vaultOpener([password('correct horse', 'default', asked), password('battery staple', 'prod', asked)])
    const texts = await Promise.all([v11, file('v12.yaml'), v11].map((text) => opened(opener, text)))
    expect(texts).toEqual([clear, clear, clear])
    expect(asked.toSorted()).toEqual(['of default', 'of prod'])
  })

  test.each<[title: string, text: string, passwords: readonly VaultPassword[]]>([
    ['no password', v11, []],
    ['a wrong password', v11, [password('wrong')]],
    ['a label that no password has', file('v12.yaml'), [right]],
    [
      'a changed cipher text',
      altered('v11.yaml', ([salt = '', mac = '', body = '']) => [salt, mac, flip(body)]),
      [right],
    ],
    ['a changed HMAC', altered('v11.yaml', ([salt = '', mac = '', body = '']) => [salt, flip(mac), body]), [right]],
    ['a short HMAC', altered('v11.yaml', ([salt = '', , body = '']) => [salt, 'ab', body]), [right]],
    ['a missing line', v11.split('\n').toSpliced(2, 1).join('\n'), [right]],
    ['no cipher text', '$ANSIBLE_VAULT;1.1;AES256\n', [right]],
    ['another cipher', v11.replace('AES256', 'AES'), [right]],
    ['another format', v11.replace('1.1', '1.0'), [right]],
    ['no header', 'a-secret-that-somebody-forgot-to-encrypt', [right]],
  ])('says what is wrong with %s', async (_, text, passwords) => {
    const said = await opened(vaultOpener(passwords), text)
    expect(said).not.toMatch(/correct|staple|hidden|forgot/)
    expect(said).toMatchSnapshot()
  })
})

const program = 'ansible-vault'
const installed = spawnSync(program, ['--version']).status === 0
const title = installed ? 'the real ansible-vault' : 'the real ansible-vault (skipped: it is not installed)'

describe.skipIf(!installed)(title, () => {
  const directory = mkdtempSync(join(tmpdir(), 'vault-'))
  const path = join(directory, 'secrets.yaml')
  afterAll(() => rmSync(directory, { recursive: true }))
  const vault = (...args: string[]) =>
    execFileSync(program, args, {
      ...{ cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      env: { PATH: process.env.PATH, HOME: directory, LC_ALL: 'C.UTF-8' },
    })

  test('reads in its files what is read here', { timeout: 60_000 }, async () => {
    writeFileSync(path, 'a: 1\nb: "ü"\n')
    writeFileSync(join(directory, 'password'), ' with spaces \n')
    vault('encrypt', '--vault-id', 'stage@password', '--encrypt-vault-id', 'stage', path)
    const text = readFileSync(path, 'utf8')
    expect(text).toMatch(/^\$ANSIBLE_VAULT;1\.2;AES256;stage\n/)
    const theirs = vault('view', '--vault-password-file', 'password', path)
    expect(theirs).toBe('a: 1\nb: "ü"\n')
    expect(await opened(vaultOpener([password('with spaces')]), text)).toBe(theirs)
  })
})

describe('age', () => {
  let identity: string
  let other: string
  let binary: Uint8Array
  beforeAll(async () => {
    ;[identity, other] = await Promise.all([generateX25519Identity(), generateX25519Identity()])
    const encrypter = new Encrypter()
    encrypter.addRecipient(await identityToRecipient(identity))
    binary = await encrypter.encrypt(clear)
  })
  const keys = (text: string) => ageOpener(async () => ({ from: 'key.txt', text: new Secret(text) }))

  test('opens binary and armored files by the first key that fits', async () => {
    const opener = keys(`# created: today\n# public key: age1x\n${other}\r\n\n${identity}\n`)
    expect(await opened(opener, binary)).toBe(clear)
    expect(await opened(opener, armor.encode(binary))).toBe(clear)
  })

  test('asks for keys only when there is something to open, and once', async () => {
    let asked = 0
    const opener = ageOpener(async () => {
      asked++
      return { from: 'key.txt', text: new Secret(identity) }
    })
    expect(asked).toBe(0)
    await Promise.all([opened(opener, binary), opened(opener, binary)])
    expect(asked).toBe(1)
  })

  test('says what is wrong without showing a key', async () => {
    const changed = Uint8Array.from(binary, (byte, i) => (i === binary.length - 1 ? byte ^ 1 : byte))
    const locked = new Encrypter()
    locked.setScryptWorkFactor(2)
    locked.setPassphrase('x')
    const said = await Promise.all([
      opened(undefined, binary),
      opened(
        ageOpener(async () => undefined),
        binary,
      ),
      opened(keys(other), binary),
      opened(keys(`${identity}\nAGE-PLUGIN-YUBIKEY-1X`), binary),
      opened(keys(identity.slice(0, -3)), binary),
      opened(keys('# nothing\n'), binary),
      opened(keys(identity), changed),
      opened(keys(identity), binary.subarray(0, 150)),
      opened(keys(identity), armor.encode(binary).slice(0, -40)),
      opened(keys(identity), await locked.encrypt(clear)),
    ])
    expect(said.join('\n')).not.toMatch(/hidden|AGE-SECRET-KEY-1[0-9A-Z]|YUBIKEY/)
    expect(said.join('\n')).toMatchSnapshot()
  })
})
