import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import { conditionsOf, type ObjectConditions } from '../conditions.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { EntryFacts } from '../entries/entry-facts.ts'
import { isWildcard } from '../entries/entry-facts.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { KubeServices } from '../services/kube-services.ts'
import type { AccountWaypoint, WaypointBinding, WaypointClient } from './waypoint-binding.ts'
import { boundCondition, missingCondition, visibilityCondition } from './waypoint-conditions.ts'
import type { WaypointState } from './waypoint-state.ts'
import { waypointWishes } from './waypoint-wishes.ts'

const MANAGED = 'gateway.istio.io/managed'
const GATEWAY_CONTROLLERS = ['istio.io-mesh-controller', 'istio.io-eastwest-controller']
const CONNECT_STRATEGY = 'istio.io/connect-strategy'

/** Whether an object is part of a waypoint or of an east-west gateway. */
export function isManagedGateway(labels: Readonly<Record<string, string>>): boolean {
  return GATEWAY_CONTROLLERS.includes(labels[MANAGED] ?? '')
}

export interface ServiceWaypointSources {
  readonly config: ConfigState
  readonly waypoints: WaypointState
  readonly kubeServices: KubeServices
  readonly accountsOf: (
    service: { readonly namespace: string; readonly hostname: string },
    fetch: Fetch,
  ) => AccountWaypoint
}

/** Of each Service that the mesh knows, under `namespace/name`. */
export function serviceWaypoints(
  { graph, of }: MeshInputs,
  { waypoints, kubeServices, accountsOf }: Omit<ServiceWaypointSources, 'config'>,
): Collection<WaypointBinding> {
  return graph.derive<KubeObject, WaypointBinding>('service waypoints', of('Service'), (object, fetch) => {
    const { namespace = '', name } = object.metadata
    const service = kubeServices.named(namespace, name, fetch)
    if (service === undefined) return undefined
    const account = accountsOf(service, fetch)
    return waypoints.bind({ ...clientOf(object), kind: 'Service', account, isPrivate: false }, fetch)
  })
}

/** Of each ServiceEntry, under `namespace/name`. */
export function entryWaypoints(
  { graph }: MeshInputs,
  { config, waypoints }: Pick<ServiceWaypointSources, 'config' | 'waypoints'>,
): Collection<WaypointBinding> {
  return graph.derive<KubeObject, WaypointBinding>(
    'service entry waypoints',
    config.own.ServiceEntry,
    (object, fetch) => {
      const { namespace = '' } = object.metadata
      if (!config.isDiscovered(namespace, fetch)) return undefined
      const isPrivate = config.visibility(namespace, fetch) === 'namespace'
      const client = { ...clientOf(object), kind: 'ServiceEntry', account: NO_ACCOUNT, isPrivate } as const
      return waypoints.bind(client, fetch)
    },
  )
}

const NO_ACCOUNT: AccountWaypoint = { kind: 'none' }

function clientOf({
  metadata,
}: KubeObject): Pick<WaypointClient, 'namespace' | 'name' | 'isGateway' | 'own'> {
  const { namespace = '', name, labels } = metadata
  return { namespace, name, isGateway: isManagedGateway(labels), own: waypointWishes(metadata) }
}

/** What is said of the waypoints of Services. */
export function serviceConditions(
  { graph, of }: MeshInputs,
  bindings: Collection<WaypointBinding>,
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    'service status',
    of('Service'),
    (object, fetch, key) =>
      conditionsOf(object, 'istio-ambient-service', boundCondition(fetch.get(bindings, key))),
  )
}

/** What is said of the waypoints of ServiceEntries. */
export function entryConditions(
  { graph }: MeshInputs,
  { config, bindings, facts }: EntryConditionSources,
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    'service entry status',
    config.own.ServiceEntry,
    (object, fetch, key) => {
      const binding = fetch.get(bindings, key)
      const entry = fetch.get(facts, key)
      const racing =
        object.metadata.annotations[CONNECT_STRATEGY] === 'RACE_FIRST_TCP_CONNECT' &&
        entry?.resolution === 'DNS'
      const wants = { wildcard: entry?.hosts.find(isWildcard), racing }
      return conditionsOf(object, 'istio-ambient-service', [
        ...boundCondition(binding),
        ...(entry === undefined || binding === undefined ? [] : missingCondition(wants, binding)),
        ...(config.hasVisibilityRules(fetch)
          ? visibilityCondition(config.visibility(object.metadata.namespace ?? '', fetch))
          : []),
      ])
    },
  )
}

export interface EntryConditionSources {
  readonly config: ConfigState
  readonly bindings: Collection<WaypointBinding>
  readonly facts: Collection<EntryFacts>
}
