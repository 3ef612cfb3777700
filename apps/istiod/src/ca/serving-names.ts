import { isIP } from 'node:net'
import type { IstiodConfig } from '../config.ts'
import type { ServingNames } from './certificate-authority.ts'

/** The names that clients know istiod by. */
export function servingNames(config: Pick<IstiodConfig, 'namespace' | 'customHosts'>): ServingNames {
  const { namespace, customHosts } = config
  const own = ['istiod', 'istiod-remote', 'istio-pilot'].map((name) => `${name}.${namespace}.svc`)
  const isAddress = (host: string): boolean => isIP(host) !== 0
  return {
    dnsNames: [...own, 'localhost', ...customHosts.filter((host) => !isAddress(host))],
    ips: customHosts.filter(isAddress),
  }
}
