import { formatHostPort, type Locality } from '@ambient/model'
import type { EnvoyFields } from '@ambient/xds-proto'
import { ENVOY_NAMES } from './envoy-names.ts'
import type { ServedEndpoint } from './served-traffic.ts'

/** The endpoints of one cluster, by locality. One that takes HBONE is reached by it and must prove who it is. */
export function loadAssignment(cluster: string, endpoints: readonly ServedEndpoint[]): EnvoyFields {
  const weighty = endpoints.filter(({ workload }) => workload.capacity > 0)
  const taken = weighty.length > 0 ? weighty : endpoints
  const groups = Map.groupBy(taken, ({ workload }) => localityKey(workload.locality))
  return {
    cluster_name: cluster,
    endpoints: [...groups]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, group]) => {
        const [first] = group
        if (first === undefined) return []
        return [
          {
            locality: localityOf(first.workload.locality),
            load_balancing_weight: Math.max(
              1,
              group.reduce((sum, { workload }) => sum + workload.capacity, 0),
            ),
            lb_endpoints: group.map(lbEndpoint),
          },
        ]
      }),
  }
}

function lbEndpoint({ workload, ip, port }: ServedEndpoint): EnvoyFields {
  const target = formatHostPort(ip, port)
  const { trustDomain, namespace, serviceAccount, canonicalName, canonicalRevision, clusterId } = workload
  const isHbone = workload.tunnelProtocol === 'hbone'
  const names = [workload.workloadName, namespace, canonicalName, canonicalRevision, clusterId]
  return {
    endpoint: {
      address: isHbone
        ? { envoy_internal_address: { server_listener_name: ENVOY_NAMES.originate, endpoint_id: target } }
        : { socket_address: { address: ip, port_value: port } },
    },
    ...(workload.status === 'unhealthy' ? { health_status: 'UNHEALTHY' } : {}),
    metadata: {
      filter_metadata: {
        ...(isHbone ? { 'envoy.filters.listener.original_dst': { local: target } } : {}),
        istio: {
          workload: names.join(';'),
          ...(isHbone ? { identity: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}` } : {}),
        },
      },
    },
    load_balancing_weight: Math.max(1, workload.capacity),
  }
}

function localityOf({ region, zone, subzone }: Locality): EnvoyFields {
  return {
    ...(region === '' ? {} : { region }),
    ...(zone === '' ? {} : { zone }),
    ...(subzone === '' ? {} : { sub_zone: subzone }),
  }
}

function localityKey({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`
}
