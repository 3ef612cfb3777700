import { type KubeObject, readWorkloadEntry, type WorkloadEntryFacts } from '@ambient/kube'
import { REDIRECTION } from '../tunnel.ts'
import { entryWorkloadName } from '../workload-name.ts'
import type { EntryFacts } from './entry-facts.ts'

/** A workload that is no pod: a WorkloadEntry, or an endpoint inside a ServiceEntry. */
export interface EndpointFacts extends WorkloadEntryFacts {
  /** What its UID says after the cluster. */
  readonly path: string
  readonly namespace: string
  readonly name: string
  readonly workloadName: string
  readonly isRedirected: boolean
  /** The labels that say which waypoint it has: always its own. */
  readonly waypointLabels: Readonly<Record<string, string>>
}

/** @throws {KubeError} `OBJECT_INVALID` */
export function workloadEntryFacts(object: KubeObject): EndpointFacts {
  const { namespace = '', name, annotations } = object.metadata
  const read = readWorkloadEntry(object)
  return {
    ...read,
    path: `networking.istio.io/WorkloadEntry/${namespace}/${name}`,
    namespace,
    name,
    workloadName: entryWorkloadName(name, read.labels, annotations),
    isRedirected: annotations[REDIRECTION] === 'enabled',
    waypointLabels: read.labels,
  }
}

/**
 * The endpoints of a ServiceEntry. They have its labels, and their own for waypoints only, as in Istio; an address that comes twice has
 * a number in its second UID.
 */
export function inlineEndpoints(entry: EntryFacts): readonly EndpointFacts[] {
  const seen = new Map<string, number>()
  return entry.endpoints.flatMap((endpoint) => {
    if (endpoint.address.kind === 'unix') return [] // no node proxy reaches another pod's sockets
    const address = addressText(endpoint)
    const count = (seen.get(address) ?? 0) + 1
    seen.set(address, count)
    return [inline(entry, endpoint, count === 1 ? address : `${address}/${count}`)]
  })
}

/** What stands for a host that only DNS knows: a workload that is known by that name. */
export function namedEndpoint(entry: EntryFacts, host: string): EndpointFacts {
  const nothing = { ports: {}, labels: {}, network: '', locality: '', weight: 0, serviceAccount: '' }
  return inline(entry, { ...nothing, address: { kind: 'host', host } }, host)
}

function inline(entry: EntryFacts, endpoint: WorkloadEntryFacts, suffix: string): EndpointFacts {
  const { namespace, name, labels, isRedirected } = entry
  return {
    ...endpoint,
    labels,
    path: `networking.istio.io/ServiceEntry/${namespace}/${name}/${suffix}`,
    namespace,
    name,
    workloadName: name,
    isRedirected,
    waypointLabels: endpoint.labels,
  }
}

function addressText({ address }: WorkloadEntryFacts): string {
  switch (address.kind) {
    case 'ip':
      return address.ip
    case 'host':
      return address.host
    case 'unix':
      return address.path
    case 'none':
      return ''
  }
}
