import type { Service, Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'
import type { TrafficReasonCode } from '@ambient/telemetry'
import type { AvoidedEndpoints } from './select-endpoint.ts'

export interface HostPort {
  /** Canonical text. */
  readonly ip: string
  readonly port: number
}

/** One connection that the app of a pod has made. */
export interface OutboundAttempt {
  /** The pod that owns the listener; never derived from the packet. */
  readonly source: Workload
  readonly sourceIp: string
  readonly destination: HostPort
  /** The network this node proxy is configured for. */
  readonly network: string
  readonly random: { float(): number }
  readonly avoid: AvoidedEndpoints
}

export interface Destination {
  readonly destinationService: Service | undefined
  /** Whoever is at the next hop: an endpoint, or a waypoint's pod. */
  readonly destinationWorkload: Workload | undefined
  /** The `endpointKey` of what was picked among several; `undefined` where there was no choice. */
  readonly endpoint: string | undefined
}

export type Route =
  | (Destination & {
      readonly kind: 'hbone'
      readonly nextHop: HostPort
      readonly authority: string
      /** The next hop's certificate must carry one of these. */
      readonly expectedIds: readonly SpiffeId[]
      readonly isWaypoint: boolean
    })
  | (Destination & { readonly kind: 'tcp' | 'passthrough'; readonly nextHop: HostPort })
  | { readonly kind: 'reject'; readonly reason: TrafficReasonCode; readonly detail: string }
