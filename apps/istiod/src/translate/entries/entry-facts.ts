import { type KubeObject, readServiceEntry, type ServiceEntryFacts } from '@ambient/kube'
import { TRAFFIC_DISTRIBUTION } from '../services/load-balancing.ts'
import { REDIRECTION } from '../tunnel.ts'

/** All that istiod looks at of a ServiceEntry. */
export interface EntryFacts extends ServiceEntryFacts {
  readonly namespace: string
  readonly name: string
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly trafficDistribution: string | undefined
  readonly isRedirected: boolean
}

const AUTO_ALLOCATE = 'networking.istio.io/enable-autoallocate-ip'

/** @throws {KubeError} `OBJECT_INVALID` */
export function entryFacts(entry: KubeObject): EntryFacts {
  const { namespace = '', name, creationTimestamp, labels, annotations } = entry.metadata
  return {
    ...readServiceEntry(entry),
    namespace,
    name,
    createdAt: creationTimestamp,
    labels,
    trafficDistribution: annotations[TRAFFIC_DISTRIBUTION],
    isRedirected: annotations[REDIRECTION] === 'enabled',
  }
}

/** Hosts that are to have virtual IPs allocated: all of an entry without addresses of its own, if they can be used. */
export function allocatableHosts(entry: EntryFacts): readonly string[] {
  const isWanted =
    entry.resolution !== 'NONE' &&
    entry.addresses.length === 0 &&
    (entry.labels[AUTO_ALLOCATE] ?? '').toLowerCase() !== 'false'
  if (!isWanted) return []
  return entry.hosts.filter((host) => !isWildcard(host) || entry.resolution === 'DYNAMIC_DNS')
}

/** Whether somebody has to ask DNS where its hosts are, since nothing here says it. */
export function isResolvedByName({ resolution, endpoints, selector }: EntryFacts): boolean {
  return resolution !== 'NONE' && resolution !== 'STATIC' && endpoints.length === 0 && selector === undefined
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*')
}
