import type { GatewayAddress, WeightedWaypoint } from '@ambient/model'
import type { Waypoint } from './waypoint.ts'
import type { WaypointName, WaypointWishes } from './waypoint-wishes.ts'

/** Who wants a waypoint. */
export interface WaypointClient {
  readonly kind: 'Service' | 'ServiceEntry' | 'Pod' | 'WorkloadEntry'
  readonly namespace: string
  readonly name: string
  /** It is a waypoint or a gateway itself, and has none. */
  readonly isGateway: boolean
  /** Known in its own namespace only, so that no other namespace may carry its traffic. */
  readonly isPrivate: boolean
  readonly own: WaypointWishes
  /** Of its namespace. */
  readonly inherited: WaypointWishes
  readonly account: AccountWaypoint
}

/** What the waypoints that are for one service account mean to a workload, or to a service by all of its endpoints. */
export type AccountWaypoint =
  | { readonly kind: 'none' }
  | { readonly kind: 'one'; readonly waypoint: WaypointName }
  /** Some endpoints run under an account that has a waypoint, and not all of them have the same. */
  | { readonly kind: 'mixed'; readonly accounts: readonly string[] }

/** What a decision is made from besides the client; every answer is the same for the same question. */
export interface WaypointSources {
  waypoint(name: WaypointName): Waypoint | undefined
  /** Labels of the client's namespace. */
  namespaceLabels(): Readonly<Record<string, string>>
  /** The first of the policies that have one of these targets, as `describeRef` names them. */
  policyFor(targets: readonly string[]): string | undefined
}

export type UnboundReason =
  | 'WaypointIsNotReady'
  | 'AttachmentDenied'
  | 'UnsupportedTrafficType'
  | 'CrossNamespaceWaypointForbidden'
  | 'MixedServiceAccounts'

export type WaypointBinding =
  /** None is wanted, or none that takes this kind of traffic. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'bound'
      readonly waypoint: WaypointName
      readonly address: GatewayAddress
      readonly weighted: readonly WeightedWaypoint[]
      /** The one that gets a part. */
      readonly canary: WaypointName | undefined
      /** Why the canary gets nothing, if one is wished for and cannot be used. */
      readonly canaryProblem: string | undefined
      /** Whether ingress gateways send to it as well; undefined when nothing is said about it. */
      readonly ingress: boolean | undefined
      /** Why the waypoints for service accounts are passed over. */
      readonly mixed: readonly string[] | undefined
    }
  | {
      readonly kind: 'unbound'
      readonly reason: UnboundReason
      readonly detail: string
      readonly treatment: Treatment
      /** Undefined when connections go direct: then there is no waypoint to be told of. */
      readonly address: GatewayAddress | undefined
    }

/** What becomes of connections that should go through a waypoint and cannot, and who says so. */
export type Treatment =
  | { readonly kind: 'direct'; readonly because: 'no-policy' | 'label' | 'not-for-workloads' }
  | { readonly kind: 'closed'; readonly because: 'label' | 'label-invalid' | { readonly policy: string } }

export function isServiceClient({ kind }: WaypointClient): boolean {
  return kind === 'Service' || kind === 'ServiceEntry'
}
