import { formatHostPort, type Workload } from '@ambient/model'
import type { SocketAddress } from '@ambient/linux'
import type { SpiffeId } from '@ambient/spiffe'
import { trafficLabels } from '../telemetry/traffic-labels.ts'
import type { ConnectionFacts } from '../worker/connection.ts'
import type { Route } from './route.ts'

export interface OutboundParts {
  readonly source: Workload
  readonly identity: SpiffeId
  readonly peer: SocketAddress
  readonly destination: SocketAddress
  readonly route: Exclude<Route, { readonly kind: 'reject' }>
}

/** An outbound connection in the words of log and metrics. Identities are named for mTLS only. */
export function outboundFacts({
  source,
  identity,
  peer,
  destination,
  route,
}: OutboundParts): ConnectionFacts {
  const { destinationWorkload: workload, destinationService: service, nextHop } = route
  const isHbone = route.kind === 'hbone'
  // The next hop may have several accepted names; the first is its own.
  const destinationId = isHbone ? route.expectedIds[0] : undefined
  const sourceId = isHbone ? identity : undefined
  return {
    direction: 'outbound',
    protocol: isHbone ? 'HBONE' : 'TCP',
    originalDst: formatHostPort(destination.ip, destination.port),
    admittedBy: undefined,
    src: {
      addr: formatHostPort(peer.ip, peer.port),
      workload: source.name,
      namespace: source.namespace,
      identity: sourceId,
      cluster: source.clusterId,
    },
    dst: {
      addr: formatHostPort(nextHop.ip, nextHop.port),
      hboneAddr: isHbone ? route.authority : undefined,
      service: service?.hostname,
      workload: workload?.name,
      namespace: workload?.namespace,
      identity: destinationId,
      cluster: workload?.clusterId,
    },
    labels: (flag) =>
      trafficLabels(
        {
          reporter: 'source',
          source: { workload: source, identity: sourceId },
          destination: { workload, identity: destinationId },
          service,
          security: isHbone ? 'mutual_tls' : 'unknown',
        },
        flag,
      ),
  }
}
