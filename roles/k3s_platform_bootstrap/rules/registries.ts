// Rules for registries.yaml.

import type { Finding } from '../../role.ts'
import type { Asked } from './rule.ts'

export function registryFindings({ v }: Asked): Finding[] {
  const { mirrors = {}, configs = {} } = v.k3s_platform_registries ?? {}
  const root = 'k3s_platform_registries'
  const names = Object.entries({ mirrors, configs }).flatMap(([part, map]) =>
    Object.keys(map)
      .filter((name) => !(part === 'mirrors' && name === '*') && !/^[a-z0-9*]([\w.-]*[a-z0-9])?(:\d+)?$/i.test(name))
      .map(
        (name): Finding => ({
          path: [root, part, name],
          what: `expected the name of a registry, got "${name}"`,
          hint: 'write host or host:port, without scheme and path',
        }),
      ),
  )
  const endpoints = Object.entries(mirrors).flatMap(([name, mirror]) =>
    (mirror?.endpoint ?? []).flatMap((url, i): Finding[] =>
      /^https?:\/\/[^\s/@]+(\/\S*)?$/.test(url)
        ? []
        : [
            {
              path: [root, 'mirrors', name, 'endpoint', i],
              what: `expected an http or https URL, got ${withoutLogin(url)}`,
            },
          ],
    ),
  )
  const settings = Object.entries(configs).flatMap(([name, { auth, tls }]): Finding[] => {
    const at = (...path: string[]) => [root, 'configs', name, ...path]
    const found: [boolean, Finding][] = [
      [
        auth !== undefined && (auth.username === undefined) !== (auth.password === undefined),
        { path: at('auth'), what: 'set both username and password' },
      ],
      [
        auth !== undefined &&
          [auth.password, auth.auth, auth.identity_token].filter((one) => one !== undefined).length > 1,
        { path: at('auth'), what: 'two authentication methods', hint: 'keep one of password, auth and identity_token' },
      ],
      [
        tls?.ca !== undefined && tls.ca_file !== undefined,
        { path: at('tls', 'ca_file'), what: 'ca and ca_file are two values for one setting', hint: 'keep one' },
      ],
      [
        (tls?.cert_file === undefined) !== (tls?.key_file === undefined),
        { path: at('tls'), what: 'set both cert_file and key_file' },
      ],
      [
        tls?.insecure_skip_verify === true,
        {
          path: at('tls', 'insecure_skip_verify'),
          what: `anyone can impersonate ${name}`,
          hint: 'set its CA: tls.ca',
          warning: true,
        },
      ],
    ]
    return found.flatMap(([is, finding]) => (is ? finding : []))
  })
  return [...names, ...endpoints, ...settings]
}

/** An endpoint may hold a password. */
function withoutLogin(url: string): string {
  return url.includes('@') ? 'a URL with credentials (use configs)' : JSON.stringify(url)
}
