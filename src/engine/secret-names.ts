// Which names belong to secrets, wherever they are written: variables, YAML keys, environment variables, flags.

/**
 * The ends of such names. What a name only begins with (`secretName`, `token-file`) says where a secret is, not what it is;
 * `privateKey` is the policy of a Certificate.
 */
const ENDS = [
  'pass(?:word|wd|phrase)?',
  'pwd',
  'tokens?',
  'secret',
  'credentials?',
  'private[_.-]key',
  '(?:secret|access|api|auth|encryption|deploy|age|signing)[_.-]?key',
  '(?:key|seal)[_.-]data',
  'unseal[_.-]keys?',
  'secret[_.-]?id',
  'vault_init_json',
]

/** As a part of a pattern, for texts that hold names. */
export const SECRET_NAME_END = `(?:${ENDS.join('|')})`

const PATTERN = new RegExp(`${SECRET_NAME_END}$`, 'i')
/** Programs that ask, flags that make ask, and a flag that deletes. */
const NONE = /(?:ask[_-]?pass|ask[_-](?:become|vault)[_-]pass|delete[_-]secret|bypass)$/i

/** Whether values under this name are secrets. `auth` is one in registries.yaml, where it holds user and password. */
export function isSecretName(name: string): boolean {
  return (PATTERN.test(name) || /^auth$/i.test(name)) && !NONE.test(name)
}
