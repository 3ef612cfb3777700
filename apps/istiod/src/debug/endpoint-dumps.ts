import type { Collection } from '@ambient/collections'
import { type Address, serviceName, type Workload } from '@ambient/model'
import type { XdsConnection } from '@ambient/xds'
import { readNode } from '../push/node-id.ts'
import { describeService } from './mesh-dumps.ts'
import { LazyRecord } from './render-json.ts'

/** Istio's numbers. */
const HEALTH = { healthy: 1, unhealthy: 2 } as const

/**
 * Endpoints by host name, namespace and registry, in the shape of Istio's index of them, as far as there is something
 * to say of them at L4.
 *
 * @see Istio `pilot/pkg/model/endpointshards.go`
 */
export function endpointShards(addresses: Collection<Address>): LazyRecord {
  return new LazyRecord(function* () {
    const members = membersByService(addresses)
    for (const [hostname, namespaces] of hostnames(members)) {
      const shards = namespaces.map((namespace): [string, object] => {
        const name = serviceName({ namespace, hostname })
        return [namespace, describeShards(name, members.get(name) ?? [], addresses.get(name))]
      })
      yield [hostname, Object.fromEntries(shards)]
    }
  })
}

function membersByService(addresses: Collection<Address>): ReadonlyMap<string, readonly Workload[]> {
  const members = new Map<string, Workload[]>()
  for (const [, address] of addresses.entries()) {
    if (address.kind === 'service') continue
    for (const service of Object.keys(address.workload.services)) {
      const of = members.get(service)
      if (of === undefined) members.set(service, [address.workload])
      else of.push(address.workload)
    }
  }
  return members
}

/** Host names in order, each with the namespaces in which there is a service of it. */
function hostnames(members: ReadonlyMap<string, unknown>): readonly (readonly [string, readonly string[]])[] {
  const namespaces = new Map<string, string[]>()
  for (const name of [...members.keys()].toSorted()) {
    const slash = name.indexOf('/')
    const hostname = name.slice(slash + 1)
    namespaces.set(hostname, [...(namespaces.get(hostname) ?? []), name.slice(0, slash)])
  }
  return [...namespaces].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function describeShards(service: string, members: readonly Workload[], address: Address | undefined): object {
  const isForAll = address?.kind === 'service' && address.service.loadBalancing?.healthPolicy === 'allow-all'
  const shards = Map.groupBy(members.toSorted(byUid), shardOf)
  return {
    Shards: Object.fromEntries(
      [...shards].map(([shard, workloads]) => [
        shard,
        workloads.flatMap((workload) => describeEndpoints(workload, service, isForAll)),
      ]),
    ),
    ServiceAccounts: Object.fromEntries(
      [...new Set(members.map(identityOf))].toSorted().map((id) => [id, {}]),
    ),
  }
}

function byUid(a: Workload, b: Workload): number {
  return a.uid < b.uid ? -1 : 1
}

/** What Istio knows from its own configuration is of another registry than what runs in a cluster. */
function shardOf({ uid, clusterId }: Workload): string {
  return `${uid.includes('/networking.istio.io/') ? 'External' : 'Kubernetes'}/${clusterId}`
}

function identityOf({ trustDomain, namespace, serviceAccount }: Workload): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}

function describeEndpoints(workload: Workload, service: string, isForAll: boolean): readonly object[] {
  const { addresses, hostname, network, locality, clusterId, capacity, namespace, workloadName } = workload
  const { region, zone, subzone } = locality
  return (workload.services[service] ?? []).map(({ servicePort, targetPort }) => ({
    Addresses: addresses.length === 0 && hostname !== '' ? [hostname] : addresses,
    LegacyClusterPortKey: servicePort,
    ServiceAccount: identityOf(workload),
    Network: network,
    Locality: { Label: [region, zone, subzone].join('/').replace(/\/+$/, ''), ClusterID: clusterId },
    EndpointPort: targetPort,
    LbWeight: capacity,
    Namespace: namespace,
    WorkloadName: workloadName,
    HealthStatus: HEALTH[workload.status],
    SendUnhealthyEndpoints: isForAll,
    NodeName: workload.node,
  }))
}

/** Each client with the services that its own pod is an endpoint of. */
export function instancesByClient(
  connections: readonly XdsConnection[],
  addresses: Collection<Address>,
  clusterId: string,
): object {
  return Object.fromEntries(
    connections.map(({ node }) => [node.id, instancesOf(podNamed(node, clusterId), addresses)]),
  )
}

function podNamed(node: XdsConnection['node'], clusterId: string): string {
  const { proxy = '' } = readNode(node) ?? {}
  const dot = proxy.lastIndexOf('.')
  return `${clusterId}//Pod/${proxy.slice(dot + 1)}/${proxy.slice(0, dot)}`
}

function instancesOf(uid: string, addresses: Collection<Address>): readonly object[] {
  const pod = addresses.get(uid)
  if (pod?.kind !== 'workload') return []
  return Object.entries(pod.workload.services).flatMap(([name, ports]) => {
    const address = addresses.get(name)
    if (address?.kind !== 'service') return []
    return ports.map(({ servicePort, targetPort }) => ({
      Service: describeService(address.service),
      Port: { port: servicePort, TargetPort: targetPort },
    }))
  })
}
