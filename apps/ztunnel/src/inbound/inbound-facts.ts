import { type BaggageFacts, parseForwarded } from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import { formatHostPort, type Workload } from '@ambient/model'
import type { Decision } from '@ambient/policy'
import type { SpiffeId } from '@ambient/spiffe'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { describeEnd, trafficLabels } from '../telemetry/traffic-labels.ts'
import type { ConnectionFacts } from '../worker/connection.ts'
import { admittedBy } from './denial.ts'
import { destinationServiceOf } from './destination-service.ts'

export interface InboundParts {
  readonly snapshot: MeshSnapshot
  readonly local: Workload
  readonly localId: SpiffeId
  readonly peer: SocketAddress
  /** Undefined for a connection in the clear. */
  readonly peerId: SpiffeId | undefined
  readonly source: Workload | undefined
  /** What the peer says of itself, for when the mesh does not know it by its address. */
  readonly baggage: BaggageFacts | undefined
  /** What the peer dialled: our listener, or the app's own port. */
  readonly dialled: SocketAddress
  readonly authority: string | undefined
  readonly forwarded: string | undefined
  /** The app's port. */
  readonly port: number
  readonly decision: Decision
}

/** An inbound connection in the words of log and metrics. */
export function inboundFacts(parts: InboundParts): ConnectionFacts {
  const { snapshot, local, localId, peer, peerId, dialled, authority, forwarded, port } = parts
  const isHbone = peerId !== undefined
  const forwardedHost = forwarded === undefined ? undefined : parseForwarded(forwarded).host
  const service = destinationServiceOf(snapshot, local, { port, forwardedHost })
  const ownId = isHbone ? localId : undefined
  const source = { workload: parts.source, identity: peerId, baggage: parts.baggage }
  const named = describeEnd(source)
  return {
    direction: 'inbound',
    protocol: isHbone ? 'HBONE' : 'TCP',
    originalDst: authority ?? formatHostPort(dialled.ip, dialled.port),
    admittedBy: admittedBy(parts.decision),
    src: {
      addr: formatHostPort(peer.ip, peer.port),
      workload: parts.source?.name ?? named.canonicalName,
      namespace: named.namespace,
      identity: peerId,
      cluster: named.clusterId,
    },
    dst: {
      addr: formatHostPort(dialled.ip, dialled.port),
      hboneAddr: authority,
      service: service?.hostname,
      workload: local.name,
      namespace: local.namespace,
      identity: ownId,
      cluster: local.clusterId,
    },
    labels: (flag) =>
      trafficLabels(
        {
          reporter: 'destination',
          source,
          destination: { workload: local, identity: ownId },
          service,
          security: isHbone ? 'mutual_tls' : 'unknown',
        },
        flag,
      ),
  }
}
