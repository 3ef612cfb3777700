import { addressKey, type GatewayAddress, type Service, type Workload } from '@ambient/model'
import { gatewayName, gatewayTarget } from './gateway-target.ts'
import type { MeshSnapshot } from './mesh-snapshot.ts'

/** More are not asked for at once: a service may have endpoints behind any number of gateways. */
const MAX_NAMES = 16

/** What has to be asked for before it can be decided where `ip` leads; names as the control plane has them. Pure. */
export function unknownAt(snapshot: MeshSnapshot, network: string, ip: string): readonly string[] {
  const service = snapshot.serviceByVip(network, ip, undefined)
  const workload = snapshot.workloadByAddress(network, ip)
  if (service === undefined && workload === undefined) return [addressKey(network, ip)]
  const names = new Set<string>()
  if (service !== undefined) addOfService(snapshot, service, names)
  if (workload?.waypoint !== undefined) addOfGateway(snapshot, workload.waypoint, names)
  return [...names].slice(0, MAX_NAMES)
}

/** What has to be asked for before a tunnel to `local` for a host name can be resolved. Pure. */
export function unknownHost(snapshot: MeshSnapshot, local: Workload, hostname: string): readonly string[] {
  return Object.keys(local.services).filter(
    (name) => name.endsWith(`/${hostname}`) && snapshot.service(name) === undefined,
  )
}

function addOfService(snapshot: MeshSnapshot, service: Service, names: Set<string>): void {
  const gateways = service.weightedWaypoints.map(({ destination }) => destination)
  if (service.waypoint !== undefined) gateways.push(service.waypoint)
  for (const gateway of gateways) addOfGateway(snapshot, gateway, names)
  addOfEndpoints(snapshot, service, names)
}

/** The gateway itself; once it is known, the network gateways behind it. */
function addOfGateway(snapshot: MeshSnapshot, { destination }: GatewayAddress, names: Set<string>): void {
  const target = gatewayTarget(snapshot, destination, undefined)
  if (target?.kind === 'service') addOfEndpoints(snapshot, target.service, names)
  else if (target === undefined) names.add(gatewayName(destination))
}

function addOfEndpoints(snapshot: MeshSnapshot, service: Service, names: Set<string>): void {
  const { workloads, selections } = snapshot.endpointsOf(service)
  const remote = selections.get('behind gateways', () =>
    [...workloads.values()].filter(({ networkGateway }) => networkGateway !== undefined),
  )
  for (const { networkGateway } of remote.workloads) {
    if (networkGateway === undefined || names.size >= MAX_NAMES) continue
    const { destination } = networkGateway
    if (gatewayTarget(snapshot, destination, undefined) === undefined) names.add(gatewayName(destination))
  }
}
