import { formatHostPort, type Workload } from '@ambient/model'
import type { SocketAddress } from '@ambient/linux'
import { isSpiffeId, type SpiffeId } from '@ambient/spiffe'
import { describeEnd, type TrafficEnd, trafficLabels } from '../telemetry/traffic-labels.ts'
import type { ConnectionFacts } from '../worker/connection.ts'
import { identityText } from './expected-ids.ts'
import type { TunnelAnswer } from './open-tunnel.ts'
import type { AcceptedRoute } from './route.ts'

export interface OutboundParts {
  readonly source: Workload
  readonly identity: SpiffeId
  readonly peer: SocketAddress
  readonly destination: SocketAddress
  readonly route: AcceptedRoute
  /** Who has answered beyond a network gateway. */
  readonly beyond: TunnelAnswer
}

const PROTOCOL = { hbone: 'HBONE', 'double-hbone': 'DOUBLEHBONE', tcp: 'TCP', passthrough: 'TCP' } as const

/** An outbound connection in the words of log and metrics. Identities are named for mTLS only. */
export function outboundFacts({
  source,
  identity,
  peer,
  destination,
  route,
  beyond,
}: OutboundParts): ConnectionFacts {
  const { destinationService: service, nextHop } = route
  const isTunnel = route.kind === 'hbone' || route.kind === 'double-hbone'
  const sourceId = isTunnel ? identity : undefined
  const reached = destinationOf(route, beyond)
  const named = describeEnd(reached)
  return {
    direction: 'outbound',
    protocol: PROTOCOL[route.kind],
    originalDst: formatHostPort(destination.ip, destination.port),
    admittedBy: undefined,
    opensLater: route.kind === 'double-hbone',
    src: {
      addr: formatHostPort(peer.ip, peer.port),
      workload: source.name,
      namespace: source.namespace,
      identity: sourceId,
      cluster: source.clusterId,
    },
    dst: {
      addr: formatHostPort(nextHop.ip, nextHop.port),
      hboneAddr: isTunnel ? route.authority : undefined,
      service: service?.hostname,
      workload: reached.workload?.name ?? named.workloadName,
      namespace: named.namespace,
      identity: reached.identity,
      cluster: named.clusterId,
    },
    labels: (flag) =>
      trafficLabels(
        {
          reporter: 'source',
          source: { workload: source, identity: sourceId },
          destination: reached,
          service,
          security: isTunnel ? 'mutual_tls' : 'unknown',
        },
        flag,
      ),
  }
}

/** Beyond a gateway whoever answered, if it said who it is; else the next hop. */
function destinationOf(route: AcceptedRoute, { identity, baggage }: TunnelAnswer): TrafficEnd {
  if (baggage !== undefined) return { workload: undefined, identity, baggage }
  const { destinationWorkload: workload } = route
  const isTunnel = route.kind === 'hbone' || route.kind === 'double-hbone'
  const own = isTunnel && workload !== undefined ? identityText(workload) : ''
  return { workload, identity: isSpiffeId(own) ? own : undefined }
}
