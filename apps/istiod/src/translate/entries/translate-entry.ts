import { defineService, type LoadBalancing, type NetworkAddress, type Service } from '@ambient/model'
import { protocolNamed } from '../services/app-protocol.ts'
import { preferredLoadBalancing } from '../services/load-balancing.ts'
import type { ServiceFacts } from '../services/service-facts.ts'
import type { ServiceSurroundings } from '../services/translate-service.ts'
import { allocatableHosts, type EntryFacts } from './entry-facts.ts'

export interface HostSurroundings extends ServiceSurroundings {
  readonly isCanonical: boolean
  readonly visibility: Service['visibility']
}

/** Where the client dialled is where it goes. */
const PASSTHROUGH: LoadBalancing = { routingPreference: [], mode: 'passthrough', healthPolicy: 'allow-all' }

/** One host of a ServiceEntry as a service. */
export function translateEntry(entry: EntryFacts, host: string, around: HostSurroundings): Service {
  return defineService({
    name: entry.name,
    namespace: entry.namespace,
    hostname: host,
    addresses: virtualIps(entry, host, around.network),
    ports: entry.ports.map(({ number, targetPort, protocol }) => ({
      servicePort: number,
      targetPort,
      appProtocol: protocolNamed(protocol) ?? 'unknown',
    })),
    subjectAltNames: entry.subjectAltNames,
    loadBalancing: loadBalancing(entry, around.namespaceDistribution),
    canonical: around.isCanonical,
    visibility: around.visibility,
    ...around.waypoint,
  })
}

/** What decides which workloads belong to one host of a ServiceEntry. */
export function entryServiceFacts(entry: EntryFacts, host: string): ServiceFacts {
  return {
    kind: 'ServiceEntry',
    scope: 'local',
    namespace: entry.namespace,
    hostname: host,
    selector: Object.keys(entry.selector ?? {}).length === 0 ? undefined : entry.selector,
    ports: entry.ports.map(({ name, number, targetPort, protocol }) => ({
      name,
      port: number,
      targetPort,
      protocol,
      appProtocol: undefined,
    })),
  }
}

/** Those of the user, or else those that were allocated for this host and are still wanted. */
function virtualIps(entry: EntryFacts, host: string, network: string): readonly NetworkAddress[] {
  if (entry.addresses.length > 0) {
    return entry.addresses.map(({ ip, prefixLength }) => ({
      network,
      ip,
      ...(prefixLength === undefined ? {} : { prefixLength }),
    }))
  }
  if (!allocatableHosts(entry).includes(host)) return []
  return entry.allocated.filter((each) => each.host === host).map(({ ip }) => ({ network, ip }))
}

function loadBalancing(entry: EntryFacts, namespace: string | undefined): LoadBalancing | undefined {
  if (entry.resolution === 'NONE') return PASSTHROUGH
  return preferredLoadBalancing(
    { spec: undefined, own: entry.trafficDistribution, namespace },
    'only-healthy',
  )
}
