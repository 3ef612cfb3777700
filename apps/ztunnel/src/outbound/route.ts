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
  /** The `endpointKey` of all that was picked among several on the way, the nearest first. */
  readonly choices: readonly string[]
}

/** What was picked is known by host name only: the decision goes on once that has an address. */
export interface UnresolvedRoute extends Pick<Destination, 'choices'> {
  readonly kind: 'unresolved'
  readonly hostname: string
  /** An address of its family is preferred. */
  readonly requestedIp: string
  readonly resume: (ip: string) => AcceptedRoute
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
  | (Destination & {
      readonly kind: 'double-hbone'
      /** The gateway of the other network. */
      readonly nextHop: HostPort
      /** Of both tunnels. */
      readonly authority: string
      /** The gateway's. */
      readonly expectedIds: readonly SpiffeId[]
      /** Of whoever ends the inner tunnel. */
      readonly innerIds: readonly SpiffeId[]
      /** Who ends the inner tunnel is a waypoint. */
      readonly isWaypoint: boolean
    })
  | (Destination & { readonly kind: 'tcp' | 'passthrough'; readonly nextHop: HostPort })
  | UnresolvedRoute
  | { readonly kind: 'reject'; readonly reason: TrafficReasonCode; readonly detail: string }

export type AcceptedRoute = Exclude<Route, { readonly kind: 'reject' | 'unresolved' }>
export type TunnelRoute = Extract<Route, { readonly kind: 'hbone' | 'double-hbone' }>
