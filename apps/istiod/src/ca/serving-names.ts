import { isIP } from 'node:net'
import type { IstiodConfig } from '../config.ts'

export interface ServingNames {
  readonly dnsNames: readonly string[]
  readonly ips: readonly string[]
}

/** The names that clients know istiod by. */
export function servingNames(config: Pick<IstiodConfig, 'namespace' | 'customHosts'>): ServingNames {
  const { namespace, customHosts } = config
  const own = ['istiod', 'istiod-remote', 'istio-pilot'].map((name) => `${name}.${namespace}.svc`)
  return {
    dnsNames: [...own, 'localhost', ...customHosts.filter((host) => !isAddress(host))],
    ips: customHosts.filter(isAddress),
  }
}

function isAddress(host: string): boolean {
  return isIP(host) !== 0
}
