import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import type { EndpointFacts } from '../entries/endpoint-facts.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import { isOver, type PodFacts } from '../pods/pod-facts.ts'
import type { KubeServices } from '../services/kube-services.ts'
import type { Membership } from '../services/membership.ts'
import type { SliceFacts } from '../services/slice-facts.ts'
import type { AccountWaypoint } from './waypoint-binding.ts'
import { waypointKey, type WaypointName } from './waypoint-wishes.ts'
import type { WaypointState } from './waypoint-state.ts'

/** Under which account an endpoint runs, and which services it belongs to. */
interface AccountMember {
  /** Empty for an endpoint without an identity. */
  readonly account: string
  /** Each as `namespace/hostname`. */
  readonly services: readonly string[]
}

const NOBODY: ReadonlyMap<string, AccountMember> = new Map()

export interface MemberSources {
  readonly pods: Collection<PodFacts>
  readonly workloadEntries: Collection<EndpointFacts>
  readonly slices: Collection<SliceFacts>
  readonly membership: Membership
  readonly kubeServices: KubeServices
}

/**
 * What the waypoints for single accounts mean to a service: one that all of its endpoints have in common is its own.
 * Endpoints are looked at only in namespaces where there is such a waypoint.
 */
export function accountsOfServices(
  inputs: MeshInputs,
  waypoints: WaypointState,
  sources: MemberSources,
): (service: { readonly namespace: string; readonly hostname: string }, fetch: Fetch) => AccountWaypoint {
  const byService = memberIndex(inputs, waypoints, sources)
  return ({ namespace, hostname }, fetch) => {
    if (!waypoints.hasAccountWaypoints(namespace, fetch)) return { kind: 'none' }
    const members = fetch.find(byService, `${namespace}/${hostname}`)
    const accounts = [...new Set(members.map(({ account }) => account))].toSorted()
    const found = accounts.map((account) => waypoints.ofAccount(namespace, account, fetch))
    return commonWaypoint(found, accounts)
  }
}

function commonWaypoint(
  found: readonly (WaypointName | undefined)[],
  accounts: readonly string[],
): AccountWaypoint {
  const [first] = found
  const names = new Set(found.map((name) => (name === undefined ? '' : waypointKey(name))))
  if (first !== undefined && names.size === 1) return { kind: 'one', waypoint: first }
  if (found.every((name) => name === undefined)) return { kind: 'none' }
  return { kind: 'mixed', accounts: accounts.map((account) => (account === '' ? 'none at all' : account)) }
}

function memberIndex(
  { graph }: MeshInputs,
  waypoints: WaypointState,
  { pods, workloadEntries, slices, membership, kubeServices }: MemberSources,
): CollectionIndex<AccountMember> {
  const counts = (namespace: string, fetch: Fetch): boolean => waypoints.hasAccountWaypoints(namespace, fetch)
  const ofPods = graph.deriveMany<PodFacts, AccountMember>('accounts of pods', pods, (pod, fetch, key) =>
    isOver(pod) || !counts(pod.namespace, fetch)
      ? NOBODY
      : new Map([
          [
            `Pod ${key}`,
            { account: pod.serviceAccount, services: Object.keys(membership.ofPod(pod, fetch)) },
          ],
        ]),
  )
  const ofEntries = graph.deriveMany<EndpointFacts, AccountMember>(
    'accounts of workload entries',
    workloadEntries,
    (entry, fetch, key) => {
      if (!counts(entry.namespace, fetch)) return NOBODY
      const services = Object.keys(membership.ofWorkloadEntry(entry, fetch))
      return new Map([[`WorkloadEntry ${key}`, { account: entry.serviceAccount, services }]])
    },
  )
  const ofSlices = graph.deriveMany<SliceFacts, AccountMember>(
    'accounts of slices',
    slices,
    ({ namespace, serviceName, addresses }, fetch, key) => {
      if (addresses.length === 0 || !counts(namespace, fetch)) return NOBODY
      const service = kubeServices.named(namespace, serviceName, fetch)
      if (service === undefined) return NOBODY
      return new Map([
        [`EndpointSlice ${key}`, { account: '', services: [`${namespace}/${service.hostname}`] }],
      ])
    },
  )
  return graph.union('accounts of endpoints', [ofPods, ofEntries, ofSlices]).index(({ services }) => services)
}
