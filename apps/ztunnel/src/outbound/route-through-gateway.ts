import type { Service } from '@ambient/model'
import { gatewayName } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { expectedIds, remoteIds } from './expected-ids.ts'
import { resolveGateway } from './resolve-gateway.ts'
import type { OutboundAttempt, Route } from './route.ts'
import type { SelectedEndpoint } from './select-endpoint.ts'
import { withAddress } from './with-address.ts'

/** What was picked on another network: an endpoint of the service, or a waypoint. */
export interface RemoteUpstream extends Pick<SelectedEndpoint, 'workload'> {
  /** The service it was picked from, whose names it may answer with. */
  readonly service: Service | undefined
  readonly choices: readonly string[]
  readonly isWaypoint: boolean
}

/**
 * A tunnel in a tunnel: the gateway of the other network ends the outer one and sees of the inner one only bytes, which
 * the upstream ends. Both are for the service by name, since addresses mean nothing over there.
 *
 * @see ztunnel `src/proxy/outbound.rs`
 */
export function routeThroughGateway(
  snapshot: MeshSnapshot,
  attempt: OutboundAttempt,
  upstream: RemoteUpstream,
  addressed: Service | undefined,
): Route {
  const { workload } = upstream
  const where = `${workload.uid} is on network "${workload.network}"`
  if (addressed === undefined)
    return reject(`no service for target address: ${where}, and only services can be reached there`)
  if (workload.networkGateway === undefined)
    return reject(`no valid routing destination for workload: ${where}, which has no gateway`)
  const gateway = resolveGateway(snapshot, attempt, workload.networkGateway, 'standard')
  const name = gatewayName(workload.networkGateway.destination)
  if (gateway === undefined) return reject(`network gateway ${name} not found: ${where}`)
  const innerIds = remoteIds(upstream.service)
  if (innerIds.length === 0) {
    const detail = `${where}, and its service names nobody who may answer there`
    return { kind: 'reject', reason: 'REMOTE_IDENTITY_UNKNOWN', detail }
  }
  const choices = [...gateway.choices, ...upstream.choices]
  return withAddress({ ...gateway, choices }, (ip) => ({
    kind: 'double-hbone',
    nextHop: { ip, port: gateway.port },
    authority: `${addressed.hostname}:${attempt.destination.port}`,
    expectedIds: expectedIds(gateway.service, gateway.workload),
    innerIds,
    isWaypoint: upstream.isWaypoint,
    destinationService: addressed,
    destinationWorkload: gateway.workload,
    choices,
  }))
}

function reject(detail: string): Route {
  return { kind: 'reject', reason: 'NETWORK_GATEWAY_UNKNOWN', detail }
}
