import type { GatewayAddress, PortMapping } from '@ambient/model'

/** What any workload takes from other objects. */
export interface WorkloadSurroundings {
  readonly network: string
  /** What it is reached through from our own network, when it is on another. */
  readonly networkGateway: GatewayAddress | undefined
  /** By name of the service it belongs to, its own ports. */
  readonly services: Readonly<Record<string, readonly PortMapping[]>>
  /** Names `ns/name`, in the order they are sent. */
  readonly policies: readonly string[]
  readonly waypoint: GatewayAddress | undefined
}
