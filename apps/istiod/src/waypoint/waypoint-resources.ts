import type { Address } from '@ambient/model'
import type { Waypoint } from '../translate/waypoints/waypoint.ts'
import { authorizationFilters } from './authorization.ts'
import type { Chain } from './chains.ts'
import { ownClusters, serviceClusters } from './clusters.ts'
import { CONNECT_ORIGINATE } from './connect-originate.ts'
import { connectTerminate } from './connect-terminate.ts'
import { loadAssignment } from './endpoints.ts'
import { ENVOY_NAMES, servicePortName } from './envoy-names.ts'
import type { EnvoyResource, EnvoyResourceKind, NamedFields } from './envoy-resource.ts'
import type { L7Policy } from './l7-policy.ts'
import { mainInternal, servedChains } from './main-internal.ts'
import { defaultRoutes } from './routes.ts'
import { servedTraffic, type ServedService } from './served-traffic.ts'

/** All that a waypoint's configuration is made from. */
export interface WaypointMesh {
  /** Of the whole mesh; in any order. */
  readonly addresses: Iterable<Address>
  /** Of the whole mesh; in any order. */
  readonly policies: Iterable<L7Policy>
  /** The mesh's own first. */
  readonly trustDomains: readonly string[]
  readonly rootNamespace: string
}

/**
 * What the Envoy of a waypoint is configured with: the same for the same mesh, in one order. Nothing until its Gateway
 * has an address, since nobody can be bound to it before.
 *
 * @see waypoint-envoy.md 3 and 4
 */
export function waypointResources(waypoint: Waypoint, mesh: WaypointMesh): readonly EnvoyResource[] {
  if (waypoint.address === undefined) return []
  const traffic = servedTraffic(mesh.addresses, waypoint.address)
  const policies = [...mesh.policies].toSorted((a, b) => (policyName(a) < policyName(b) ? -1 : 1))
  const chains = servedChains(traffic, (service) =>
    policies.filter((policy) => isAttached(policy, service, { waypoint, rootNamespace: mesh.rootNamespace })),
  )
  const requests = chains.filter(({ protocol }) => protocol === 'http')
  const ports = traffic.services.flatMap((service) => service.ports.map((port) => ({ service, port })))
  return [
    ...named('cluster', [
      ...ownClusters(mesh.trustDomains),
      ...ports.flatMap(({ service, port }) => serviceClusters(service, port)),
    ]),
    ...ports.flatMap(({ service: { service }, port: { port, protocols, endpoints } }) =>
      protocols.map((protocol): EnvoyResource => {
        const name = servicePortName(service.hostname, port, protocol)
        return { kind: 'endpoints', name, json: loadAssignment(name, endpoints) }
      }),
    ),
    ...named('listener', [
      connectTerminate(mesh.trustDomains),
      mainInternal(traffic, chains),
      CONNECT_ORIGINATE,
    ]),
    ...named('routes', requests.map(routesOf)),
    ...requests.flatMap(({ name, policies: own }) =>
      authorizationFilters(name, own).map((filter): EnvoyResource => ({ kind: 'filter', ...filter })),
    ),
  ]
}

function routesOf({ name, port, cluster }: Chain): NamedFields {
  return defaultRoutes(name, port ?? 0, { cluster, isRetried: cluster !== ENVOY_NAMES.encap })
}

function named(kind: EnvoyResourceKind, all: readonly NamedFields[]): readonly EnvoyResource[] {
  return all.map((json) => ({ kind, name: json.name, json }))
}

function policyName({ namespace, name }: L7Policy): string {
  return `${namespace}/${name}`
}

/** Whether a policy holds for a service, or where there is none, for workloads by their own address. */
function isAttached(
  { namespace, targets }: L7Policy,
  served: ServedService | undefined,
  { waypoint, rootNamespace }: { readonly waypoint: Waypoint; readonly rootNamespace: string },
): boolean {
  return targets.some(({ kind, name }) => {
    switch (kind) {
      case 'GatewayClass':
        return namespace === rootNamespace && name === waypoint.className
      case 'Gateway':
        return namespace === waypoint.namespace && name === waypoint.name
      case 'Service':
      case 'ServiceEntry':
        return (
          served?.service.namespace === namespace &&
          served.service.name === name &&
          served.service.canonical === (kind === 'Service')
        )
    }
  })
}
