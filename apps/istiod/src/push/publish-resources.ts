import type { Change } from '@ambient/collections'
import type { Address } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAddressResource,
  encodeAuthorizationResource,
  type EncodedResource,
  ResourceTable,
  type ResourceView,
  workloadView,
} from '@ambient/xds'
import type { MeshState } from '../translate/mesh-state.ts'
import { NodePolicies } from './node-policies.ts'

/** The resources of a mesh as they are sent. */
export interface PublishedResources {
  readonly addresses: ResourceTable
  readonly policies: ResourceTable
  /**
   * What a client on `node` may see, in the order in which it must be sent: a node proxy refuses everything to a
   * workload whose policy it lacks.
   */
  readonly viewsFor: (node: string | undefined) => readonly ResourceView[]
}

/**
 * Keeps tables of encoded resources equal to the state.
 *
 * @param others What clients may see besides; sent last.
 */
export function publishResources(state: MeshState, others: readonly ResourceView[] = []): PublishedResources {
  const addresses = new ResourceTable(ADDRESS_TYPE)
  const policies = new ResourceTable(AUTHORIZATION_TYPE)
  const encodedPolicies = state.graph.derive<AuthorizationPolicy, EncodedResource>(
    'authorization resources',
    state.policies,
    (policy) => encodeAuthorizationResource(policy),
    { equal: isSameVersion },
  )
  const encodedAddresses = state.graph.derive<Address, EncodedResource>(
    'address resources',
    state.addresses,
    (address) => encodeAddressResource(address),
    { equal: isSameVersion },
  )
  for (const [table, encoded] of [
    [policies, encodedPolicies],
    [addresses, encodedAddresses],
  ] as const)
    encoded.onChange((changes) => table.apply(upserts(changes), removed(changes)))
  const nodePolicies = new NodePolicies(policies, state)
  const workloads = workloadView(addresses)
  return {
    addresses,
    policies,
    viewsFor: (node) => [nodePolicies.viewFor(node), addresses, workloads, ...others],
  }
}

function upserts(changes: readonly Change<EncodedResource>[]): readonly EncodedResource[] {
  return changes.flatMap(({ after }) => (after === undefined ? [] : [after]))
}

function removed(changes: readonly Change<EncodedResource>[]): readonly string[] {
  return changes.flatMap(({ key, after }) => (after === undefined ? [key] : []))
}

function isSameVersion(a: EncodedResource, b: EncodedResource): boolean {
  return a.version === b.version
}
