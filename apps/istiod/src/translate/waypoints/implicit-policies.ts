import type { Collection, Fetch } from '@ambient/collections'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import type { ConfigState } from '../config/config-state.ts'
import type { EntryState } from '../entries/entry-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { Labelled, PolicyState } from '../policies/policy-state.ts'
import { hostnameOf } from '../services/service-facts.ts'
import type { Waypoint } from './waypoint.ts'
import type { WaypointBinding } from './waypoint-binding.ts'
import type { WaypointBindings } from './waypoint-bindings.ts'
import type { WaypointState } from './waypoint-state.ts'
import { GATEWAY_NAME } from './workload-waypoints.ts'
import { waypointKey } from './waypoint-wishes.ts'

/** Which policies a workload is sent with, in order: those that select it, then those that its waypoints need. */
export interface WorkloadPolicies {
  /** @param of Its own waypoint, and its services, each under `namespace/hostname`. */
  attachedTo(workload: Labelled, of: WorkloadSetting, fetch: Fetch): readonly string[]
}

export interface WorkloadSetting {
  readonly binding: WaypointBinding | undefined
  readonly services: Readonly<Record<string, unknown>>
}

export interface ImplicitPolicySources {
  readonly config: ConfigState
  readonly policies: PolicyState
  readonly waypoints: WaypointState
  readonly pods: Collection<PodFacts>
  readonly entries: EntryState
  readonly bindings: WaypointBindings
}

/** One waypoint, or a waypoint and its canary. */
type Keys = readonly string[]

/**
 * Policies that allow waypoints what they forward, for meshes that want them made (`PILOT_AUTO_ALLOW_WAYPOINT_POLICY`),
 * and who is sent with them.
 */
export function implicitPolicies(
  inputs: MeshInputs,
  sources: ImplicitPolicySources,
): WorkloadPolicies & { readonly all: Collection<AuthorizationPolicy> } {
  const { graph, mesh } = inputs
  const byWaypoint = waypointPolicies(inputs, sources)
  const ofServices = waypointsOfServices(inputs, sources)
  const needed = ({ binding, services }: WorkloadSetting, fetch: Fetch): readonly string[] => {
    if (!mesh.autoAllowWaypoints) return []
    const keys = Object.keys(services).flatMap((service) => fetch.get(ofServices, service) ?? [])
    const all = [...waypointsOf(binding), ...keys].flatMap((key) => fetch.get(byWaypoint, key) ?? [])
    return [...new Set(all.map(policyKey))].toSorted()
  }
  return {
    all: graph.deriveMany(
      'implicit policies',
      byWaypoint,
      (policy) => new Map([[policyKey(policy), policy]]),
    ),
    attachedTo: (workload, of, fetch) => [
      ...sources.policies.attachedTo(workload, fetch),
      ...needed(of, fetch),
    ],
  }
}

function waypointPolicies(
  { graph, mesh }: MeshInputs,
  { waypoints, config, pods }: ImplicitPolicySources,
): Collection<AuthorizationPolicy> {
  const podsByGateway = pods.index(({ namespace, labels }) => {
    const gateway = labels[GATEWAY_NAME]
    return gateway === undefined ? [] : [`${namespace}/${gateway}`]
  })
  return graph.derive<Waypoint, AuthorizationPolicy>(
    'waypoint policies',
    waypoints.all,
    (waypoint, fetch, key) => {
      if (!mesh.autoAllowWaypoints || waypoint.address === undefined) return undefined
      const accounts = [
        ...new Set(fetch.find(podsByGateway, key).map((pod) => pod.serviceAccount)),
      ].toSorted()
      return accounts.length === 0 ? undefined : allowPolicy(waypoint, accounts, config.trustDomains(fetch))
    },
  )
}

/** No name of an object has an underscore, so nobody has a policy of this name. */
function allowPolicy(
  { namespace, name }: Waypoint,
  accounts: readonly string[],
  trustDomains: readonly string[],
): AuthorizationPolicy {
  const principals = trustDomains.flatMap((domain) =>
    accounts.map((account) => ({ kind: 'exact', value: `${domain}/ns/${namespace}/sa/${account}` }) as const),
  )
  return {
    namespace,
    name: `istio_allow_waypoint_${namespace}_${name}`,
    scope: 'workload-selector',
    action: 'allow',
    dryRun: false,
    rules: [[[{ principals }]]],
  }
}

/** Under `namespace/hostname` of the service. */
function waypointsOfServices(
  { graph, mesh }: MeshInputs,
  { bindings, entries }: ImplicitPolicySources,
): Collection<Keys> {
  const keysOf = (binding: WaypointBinding): Keys => (mesh.autoAllowWaypoints ? waypointsOf(binding) : [])
  const ofServices = graph.deriveMany<WaypointBinding, Keys>(
    'waypoints of services',
    bindings.services,
    (binding, _fetch, key) => {
      const keys = keysOf(binding)
      const [namespace = '', name = ''] = key.split('/')
      const service = `${namespace}/${hostnameOf(name, namespace, mesh.domainSuffix)}`
      return new Map(keys.length === 0 ? [] : [[service, keys]])
    },
  )
  const ofHosts = graph.deriveMany<WaypointBinding, Keys>(
    'waypoints of hosts',
    bindings.entries,
    (binding, fetch, key) => {
      const keys = keysOf(binding)
      const entry = keys.length === 0 ? undefined : fetch.get(entries.facts, key)
      const hosts = entry === undefined ? [] : entries.hostsOf(entry, fetch)
      return new Map(hosts.map((host) => [`${entry?.namespace}/${host}`, keys]))
    },
  )
  return graph.union('waypoints of members', [ofServices, ofHosts])
}

function waypointsOf(binding: WaypointBinding | undefined): Keys {
  if (binding?.kind !== 'bound') return []
  const { waypoint, canary } = binding
  return [waypoint, ...(canary === undefined ? [] : [canary])].map(waypointKey)
}
