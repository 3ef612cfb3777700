import type { CertificateIssuer } from '@ambient/ca'
import type { ResourceSource, ResourceWriter } from '@ambient/kube'
import type { Random } from '@ambient/lifecycle'
import { type LeadDeps, leadWork } from '../lead-work.ts'
import type { MeshConfigNow } from '../translate/config/mesh-config-now.ts'
import { isDiscovered } from '../translate/config/match-rules.ts'
import { publishRoots, type TrustMaps } from './publish-roots.ts'

export interface LeadRootsDeps extends LeadDeps {
  readonly writer: ResourceSource & Pick<ResourceWriter, 'apply' | 'lease'>
  readonly random: Random
  readonly issuer: CertificateIssuer
  readonly meshConfig: MeshConfigNow
  /** Always gets its own. */
  readonly systemNamespace: string
}

const LEASE = 'istio-namespace-controller-election'

/** Gives every namespace the root while this istiod is the one of all replicas that may; ends with `signal`. */
export function leadRoots(deps: LeadRootsDeps, signal: AbortSignal): Promise<void> {
  const { writer, clock, random, issuer, meshConfig, systemNamespace, logger } = deps
  const trust = (): TrustMaps => {
    const { discoverySelectors } = meshConfig.current
    return {
      maps: { 'istio-ca-root-cert': issuer.rootsPem, 'istio-ca-crl': issuer.crlPem },
      isWanted: (namespace, labels) =>
        namespace === systemNamespace || isDiscovered(discoverySelectors, labels),
      changed: Promise.race([issuer.changed, meshConfig.changed]),
    }
  }
  const onFailure = (what: string, cause: unknown): void =>
    logger.error(`Cannot write ${what}: ${String(cause)}`, { reason: 'ROOT_NOT_PUBLISHED' })
  const work = (term: AbortSignal): Promise<void> =>
    publishRoots({ source: writer, writer, clock, random, trust, onFailure }, term)
  return leadWork(deps, LEASE, work, signal)
}
