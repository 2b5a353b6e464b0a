// All addons, in the order in which their HelmCharts are applied.

import type { Addon } from '../addon.ts'
import { apisix } from './apisix.ts'
import { caddy } from './caddy.ts'
import { certManager } from './cert_manager.ts'
import { externalDns } from './external_dns.ts'
import { externalSecrets } from './external_secrets.ts'
import { reloader } from './reloader.ts'

export const addons: readonly Addon[] = [certManager, externalSecrets, caddy, externalDns, reloader, apisix]
