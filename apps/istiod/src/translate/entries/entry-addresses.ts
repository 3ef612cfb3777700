import type { Collection } from '@ambient/collections'
import type { Address, Workload } from '@ambient/model'
import { workloadsByName } from '../by-name.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { NetworkState } from '../networks/network-state.ts'
import type { Membership } from '../services/membership.ts'
import { namedPorts } from '../services/service-ports.ts'
import { type Validated, validated } from '../validated.ts'
import type { WaypointBinding } from '../waypoints/waypoint-binding.ts'
import type { WorkloadPolicies } from '../waypoints/implicit-policies.ts'
import { waypointAddress } from '../waypoints/waypoint-fields.ts'
import type { WaypointState } from '../waypoints/waypoint-state.ts'
import { endpointBinding } from '../waypoints/workload-waypoints.ts'
import { type EndpointFacts, inlineEndpoints, namedEndpoint, workloadEntryFacts } from './endpoint-facts.ts'
import { type EntryFacts, isResolvedByName } from './entry-facts.ts'
import type { EntryState } from './entry-state.ts'
import { entryServiceFacts } from './translate-entry.ts'
import { translateEndpoint } from './translate-endpoint.ts'

export interface EndpointSources {
  readonly networks: NetworkState
  readonly policies: WorkloadPolicies
  readonly waypoints: WaypointState
}

/** Under `namespace/name`. */
export function workloadEntries({ graph }: MeshInputs, config: ConfigState): Validated<EndpointFacts> {
  return validated<EndpointFacts>(graph, {
    name: 'workload entries',
    objects: config.own.WorkloadEntry,
    read: workloadEntryFacts,
    closed: () => undefined,
  })
}

export interface WorkloadEntrySources extends EndpointSources {
  readonly config: ConfigState
  readonly membership: Membership
  /** Of each entry, under `namespace/name`. */
  readonly bindings: Collection<WaypointBinding>
}

/** WorkloadEntries: workloads that services select as they select pods. */
export function workloadEntryAddresses(
  { graph, mesh }: MeshInputs,
  entries: Collection<EndpointFacts>,
  { config, networks, membership, policies, bindings }: WorkloadEntrySources,
): Collection<Address> {
  return graph.deriveMany<EndpointFacts, Address>('entry workloads', entries, (entry, fetch, key) => {
    if (entry.address.kind === 'unix' || !config.isDiscovered(entry.namespace, fetch)) return new Map()
    const services = membership.ofWorkloadEntry(entry, fetch)
    const binding = fetch.get(bindings, key)
    const around = {
      ...networks.placeOf(entry.network, fetch),
      services,
      policies: policies.attachedTo(entry, { binding, services }, fetch),
      waypoint: waypointAddress(binding),
    }
    return workloadsByName([translateEndpoint(entry, around, mesh)])
  })
}

/** The endpoints inside ServiceEntries, and what stands for hosts that only DNS knows. */
export function inlineAddresses(
  { graph, mesh }: MeshInputs,
  entries: EntryState,
  { networks, policies, waypoints }: EndpointSources,
): Collection<Address> {
  return graph.deriveMany<EntryFacts, Address>('inline workloads', entries.facts, (entry, fetch) => {
    const hosts = entries.hostsOf(entry, fetch)
    const workload = (endpoint: EndpointFacts, of: readonly string[]): Workload => {
      const members = of.map((host) => {
        const facts = entryServiceFacts(entry, host)
        return [`${entry.namespace}/${host}`, namedPorts(facts, endpoint.ports)] as const
      })
      const services = Object.fromEntries(members)
      const binding = endpointBinding(endpoint, waypoints, fetch)
      const around = {
        ...networks.placeOf(endpoint.network, fetch),
        services,
        policies: policies.attachedTo(entry, { binding, services }, fetch),
        waypoint: waypointAddress(binding),
      }
      return translateEndpoint(endpoint, around, mesh)
    }
    if (isResolvedByName(entry))
      return workloadsByName(hosts.map((host) => workload(namedEndpoint(entry, host), [host])))
    if (hosts.length === 0) return new Map()
    return workloadsByName(inlineEndpoints(entry).map((endpoint) => workload(endpoint, hosts)))
  })
}
