import type { Change, Collection } from '@ambient/collections'
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
} from '@ambient/xds'
import type { MeshState } from '../translate/mesh-state.ts'

/** The resources of a mesh as they are sent, and in the order in which they must be. */
export interface PublishedResources {
  readonly addresses: ResourceTable
  readonly policies: ResourceTable
  readonly views: readonly ResourceView[]
}

/**
 * Keeps tables of encoded resources equal to the state. A policy arrives before the workloads that name it and goes
 * after they have stopped to: a node proxy refuses everything to a workload whose policy it lacks.
 */
export function publishResources(state: MeshState): PublishedResources {
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
  encodedPolicies.onChange((changes) => {
    policies.apply(upserts(changes), [])
    if (removed(changes).length > 0)
      setImmediate(() => policies.apply([], gone(encodedPolicies, removed(changes))))
  })
  encodedAddresses.onChange((changes) => addresses.apply(upserts(changes), removed(changes)))
  return { addresses, policies, views: [policies, addresses] }
}

function upserts(changes: readonly Change<EncodedResource>[]): readonly EncodedResource[] {
  return changes.flatMap(({ after }) => (after === undefined ? [] : [after]))
}

function removed(changes: readonly Change<EncodedResource>[]): readonly string[] {
  return changes.flatMap(({ key, after }) => (after === undefined ? [key] : []))
}

/** Of what was removed, what has not come back since. */
function gone(collection: Collection<EncodedResource>, names: readonly string[]): readonly string[] {
  return names.filter((name) => collection.get(name) === undefined)
}

function isSameVersion(a: EncodedResource, b: EncodedResource): boolean {
  return a.version === b.version
}
