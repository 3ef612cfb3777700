import type { CertificateIssuer } from '@ambient/ca'
import type { ResourceSource, ResourceWriter } from '@ambient/kube'
import type { Random } from '@ambient/lifecycle'
import { type LeadDeps, leadWork } from '../lead-work.ts'
import { publishRoots } from './publish-roots.ts'

export interface LeadRootsDeps extends LeadDeps {
  readonly writer: ResourceSource & Pick<ResourceWriter, 'apply' | 'lease'>
  readonly random: Random
  readonly issuer: CertificateIssuer
}

const LEASE = 'istio-namespace-controller-election'

/** Gives every namespace the root while this istiod is the one of all replicas that may; ends with `signal`. */
export function leadRoots(deps: LeadRootsDeps, signal: AbortSignal): Promise<void> {
  const { writer, clock, random, issuer, logger } = deps
  const work = (term: AbortSignal): Promise<void> =>
    publishRoots(
      {
        source: writer,
        writer,
        clock,
        random,
        roots: () => ({ pem: issuer.rootsPem, changed: issuer.rootsChanged }),
        onFailure: (what, cause) =>
          logger.error(`Cannot write ${what}: ${String(cause)}`, { reason: 'ROOT_NOT_PUBLISHED' }),
      },
      term,
    )
  return leadWork(deps, LEASE, work, signal)
}
