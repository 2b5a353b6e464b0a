// A Secret as sops encrypts it for an age key: https://github.com/getsops/sops#encrypting-using-age and its source.

import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { armor, Encrypter } from 'age-encryption'
import { stringify } from 'yaml'

export interface Sealed {
  readonly namespace: string
  readonly name: string
  readonly key: string
  readonly value: string
}

/** Its value is encrypted, all else can be read; `recipient` is a public key of age. */
export async function sopsSecret(recipient: string, { namespace, name, key, value }: Sealed): Promise<string> {
  const dataKey = randomBytes(32)
  const seal = (text: string, about: string) => {
    const iv = randomBytes(32)
    const cipher = createCipheriv('aes-256-gcm', dataKey, iv).setAAD(Buffer.from(about))
    const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    const parts = { data, iv, tag: cipher.getAuthTag() }
    const words = Object.entries(parts).map(([part, bytes]) => `${part}:${bytes.toString('base64')}`)
    return `ENC[AES256_GCM,${words.join(',')},type:str]`
  }
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  const lastmodified = new Date().toISOString().replace(/\.\d+/, '')
  // Over all values in their order, what is not encrypted, too.
  const sum = createHash('sha512').update(['v1', 'Secret', name, namespace, value].join('')).digest('hex').toUpperCase()
  return stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    stringData: { [key]: seal(value, `stringData:${key}:`) },
    sops: {
      age: [{ recipient, enc: armor.encode(await encrypter.encrypt(dataKey)) }],
      lastmodified,
      mac: seal(sum, lastmodified),
      encrypted_regex: '^(data|stringData)$',
      version: '3.11.0',
    },
  })
}
