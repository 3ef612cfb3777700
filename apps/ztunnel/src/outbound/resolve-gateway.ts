import type { GatewayAddress, Service } from '@ambient/model'
import { gatewayTarget } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { OutboundAttempt } from './route.ts'
import { chooseIp, endpointKey, type EndpointWish, selectEndpoint } from './select-endpoint.ts'
import type { Picked } from './with-address.ts'

/** The one workload of a waypoint or a network gateway that a connection is given to. */
export interface FoundGateway extends Picked {
  readonly service: Service | undefined
  readonly port: number
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
    const choices = [endpointKey(selected.workload, selected.port)]
    return { ...selected, service, requestedIp, choices }
  }
  const { workload } = target
  const ip = chooseIp(workload.addresses, requestedIp)
  return { workload, service: undefined, ip, port: hboneMtlsPort, requestedIp, choices: [] }
}
