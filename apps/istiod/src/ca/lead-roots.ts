import type { CertificateIssuer } from '@ambient/ca'
import { describeRef, type OwnerReference, type ResourceSource, type ResourceWriter } from '@ambient/kube'
import { errorText, type Random } from '@ambient/lifecycle'
import { type LeadDeps, leadWork } from '../lead-work.ts'
import type { MeshConfigNow } from '../translate/config/mesh-config-now.ts'
import { isDiscovered } from '../translate/config/match-rules.ts'
import { NamespaceRoots, type TrustMaps } from './namespace-roots.ts'
import { publishRoots } from './publish-roots.ts'
import type { RootPlace } from './root-place.ts'
import { WebhookRoots } from './webhook-roots.ts'

export interface LeadRootsDeps extends LeadDeps {
  readonly writer: ResourceSource & Pick<ResourceWriter, 'apply' | 'lease'>
  readonly random: Random
  readonly issuer: CertificateIssuer
  readonly meshConfig: MeshConfigNow
  /** Always gets its own. */
  readonly systemNamespace: string
  /** The configuration of our own webhook, if there is one. */
  readonly webhookName: string | undefined
  /** What is made in namespaces belongs to these, and goes with them. */
  readonly owners: () => Promise<readonly OwnerReference[]>
}

const LEASE = 'istio-namespace-controller-election'

/** Gives every namespace, and the webhook, the root while this istiod is the one of all replicas that may; ends with `signal`. */
export function leadRoots(deps: LeadRootsDeps, signal: AbortSignal): Promise<void> {
  const { issuer, meshConfig, systemNamespace, webhookName, logger } = deps
  const trust = (): TrustMaps => {
    const { discoverySelectors } = meshConfig.current
    return {
      maps: { 'istio-ca-root-cert': issuer.rootsPem, 'istio-ca-crl': issuer.crlPem },
      isWanted: (namespace, labels) =>
        namespace === systemNamespace || isDiscovered(discoverySelectors, labels),
    }
  }
  const work = async (term: AbortSignal): Promise<void> => {
    const owners = await deps.owners().catch((cause: unknown) => {
      const message = `ConfigMaps will stay when the mesh goes: ${errorText(cause)}`
      logger.warn(message, { reason: 'API_SERVER_UNAVAILABLE' })
      return []
    })
    await Promise.all([
      publish(new NamespaceRoots(trust, owners), deps, term),
      webhookName === undefined
        ? undefined
        : publish(new WebhookRoots(webhookName, () => issuer.rootsPem), deps, term),
    ])
  }
  return leadWork(deps, LEASE, work, signal)
}

function publish(place: RootPlace, deps: LeadRootsDeps, term: AbortSignal): Promise<void> {
  const { writer, clock, random, issuer, meshConfig, metrics, logger } = deps
  return publishRoots(
    {
      place,
      source: writer,
      writer,
      clock,
      random,
      changed: () => Promise.race([issuer.changed, meshConfig.changed]),
      onWritten: ({ kind }) => metrics.webhook.onBundleWrite(kind, undefined),
      onFailure: (ref, cause) => {
        metrics.webhook.onBundleWrite(ref.kind, cause)
        logger.error(`Cannot write ${describeRef(ref)}: ${String(cause)}`, { reason: 'ROOT_NOT_PUBLISHED' })
      },
    },
    term,
  )
}
