import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { gatewayTarget } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { OutboundAttempt } from './route.ts'
import { chooseIp, endpointKey, type EndpointWish, selectEndpoint } from './select-endpoint.ts'

/** The one workload of a waypoint or a network gateway that a connection is given to. */
export interface FoundGateway {
  readonly workload: Workload
  readonly service: Service | undefined
  /** `undefined` when the workload has no address of its own. */
  readonly ip: string | undefined
  readonly port: number
  /** The `endpointKey` of it, if there was a choice. */
  readonly choice: string | undefined
}

/** @returns `undefined` when nobody knows it, or none of its endpoints may be used. */
export function resolveGateway(
  snapshot: MeshSnapshot,
  attempt: OutboundAttempt,
  { destination, hboneMtlsPort }: GatewayAddress,
  mode: EndpointWish['mode'],
): FoundGateway | undefined {
  const { source, random, avoid } = attempt
  // One given by address prefers that address or its family, one given by name that of what the app dialled.
  const requestedIp = destination.kind === 'address' ? destination.ip : attempt.destination.ip
  const target = gatewayTarget(snapshot, destination, source.namespace)
  if (target === undefined) return undefined
  if (target.kind === 'service') {
    const { service } = target
    const wish = { source, servicePort: hboneMtlsPort, requestedIp, mode, random, avoid }
    const selected = selectEndpoint(snapshot, service, wish)
    if (selected === undefined) return undefined
    return { ...selected, service, choice: endpointKey(selected.workload, selected.port) }
  }
  const { workload } = target
  const ip = chooseIp(workload.addresses, requestedIp)
  return { workload, service: undefined, ip, port: hboneMtlsPort, choice: undefined }
}

/** For the log. */
export function gatewayName({ destination }: GatewayAddress): string {
  return destination.kind === 'hostname'
    ? `${destination.namespace}/${destination.hostname}`
    : `${destination.network}/${destination.ip}`
}
