import type { LoadBalancing, LoadBalancingScope } from '@ambient/model'

export const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution'

/** Which endpoints are to be preferred, in order of precedence; the first that says anything counts. */
export interface DistributionWishes {
  /** From `spec.trafficDistribution`, where there is such a field. */
  readonly spec: string | undefined
  /** From the annotation of the object itself. */
  readonly own: string | undefined
  /** From the annotation of its namespace. */
  readonly namespace: string | undefined
}

type Preference = 'zone' | 'node' | 'none'

const ZONE_FIRST: readonly LoadBalancingScope[] = ['network', 'region', 'zone']
const NODE_FIRST: readonly LoadBalancingScope[] = [...ZONE_FIRST, 'subzone', 'node']

/** @returns undefined when every endpoint is as good as any other. */
export function preferredLoadBalancing(
  wishes: DistributionWishes,
  healthPolicy: LoadBalancing['healthPolicy'],
): LoadBalancing | undefined {
  switch (preference(wishes)) {
    case 'zone':
      return { routingPreference: ZONE_FIRST, mode: 'failover', healthPolicy }
    case 'node':
      return { routingPreference: NODE_FIRST, mode: 'failover', healthPolicy }
    case 'none':
      return healthPolicy === 'only-healthy'
        ? undefined
        : { routingPreference: [], mode: 'unspecified', healthPolicy }
  }
}

/** A field with a value that nobody knows says nothing; an annotation with one says "none", as in Istio. */
function preference({ spec, own, namespace }: DistributionWishes): Preference {
  switch (spec) {
    case 'PreferClose':
    case 'PreferSameZone':
      return 'zone'
    case 'PreferSameNode':
      return 'node'
    default:
      return annotated(own ?? '') ?? annotated(namespace ?? '') ?? 'none'
  }
}

function annotated(text: string): Preference | undefined {
  switch (text.toLowerCase()) {
    case '':
      return undefined
    case 'preferclose':
    case 'prefersamezone':
      return 'zone'
    case 'prefersamenode':
      return 'node'
    default:
      return 'none'
  }
}
