import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { Address } from '@ambient/model'
import { servicesByName } from '../by-name.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { KubeServices } from '../services/kube-services.ts'
import type { ServiceFacts } from '../services/service-facts.ts'
import type { WaypointBinding } from '../waypoints/waypoint-binding.ts'
import { serviceWaypoint } from '../waypoints/waypoint-fields.ts'
import { type Validated, validated } from '../validated.ts'
import { type EntryFacts, entryFacts } from './entry-facts.ts'
import { type HostClaim, type HostVerdict, rankHost } from './rank-hosts.ts'
import { entryServiceFacts, translateEntry } from './translate-entry.ts'

/** ServiceEntries, and who of them speaks for which host. */
export interface EntryState {
  readonly objects: Validated<EntryFacts>
  /** Under `namespace/name`. */
  readonly facts: Collection<EntryFacts>
  /** What decides who belongs to each host, under `namespace/hostname`. */
  readonly services: Collection<ServiceFacts>
  /** The hosts that an entry speaks for, in the order it has them. */
  hostsOf(entry: EntryFacts, fetch: Fetch): readonly string[]
  /** The hosts that somebody else in its namespace speaks for, and who. */
  lostHosts(entry: EntryFacts, fetch: Fetch): readonly { readonly host: string; readonly to: string }[]
}

interface Parts {
  readonly facts: Collection<EntryFacts>
  readonly claims: Collection<HostClaim>
  readonly verdicts: Collection<HostVerdict>
}

export interface EntrySources {
  readonly config: ConfigState
  readonly places: PlaceState
  readonly kubeServices: KubeServices
  /** Of each entry, under `namespace/name`. */
  readonly waypoints: Collection<WaypointBinding>
}

export function entryState(
  inputs: MeshInputs,
  sources: EntrySources,
): EntryState & { readonly addresses: Collection<Address> } {
  const { graph } = inputs
  const objects = validated<EntryFacts>(graph, {
    name: 'service entries',
    objects: sources.config.own.ServiceEntry,
    read: entryFacts,
    closed: () => undefined,
  })
  const facts = objects.inForce
  const parts: Parts = { facts, ...hostParts(inputs, facts, sources) }
  const verdictOn = (entry: EntryFacts, host: string, fetch: Fetch): HostVerdict | undefined =>
    fetch.get(parts.verdicts, claimKey(entryKey(entry), host))
  const services = graph.deriveMany<HostClaim, ServiceFacts>(
    'service entry facts',
    parts.claims,
    (claim, fetch, key) => {
      const entry = fetch.get(facts, claim.entry)
      if (entry === undefined || fetch.get(parts.verdicts, key)?.kind !== 'won') return new Map()
      return new Map([[`${claim.namespace}/${claim.host}`, entryServiceFacts(entry, claim.host)]])
    },
  )
  return {
    objects,
    facts,
    services,
    addresses: entryAddresses(inputs, parts, sources),
    hostsOf: (entry, fetch) => entry.hosts.filter((host) => verdictOn(entry, host, fetch)?.kind === 'won'),
    lostHosts: (entry, fetch) =>
      entry.hosts.flatMap((host) => {
        const verdict = verdictOn(entry, host, fetch)
        return verdict?.kind === 'lost' ? [{ host, to: verdict.to }] : []
      }),
  }
}

function hostParts(
  { graph }: MeshInputs,
  facts: Collection<EntryFacts>,
  { config, kubeServices }: EntrySources,
): Omit<Parts, 'facts'> {
  const claims = graph.deriveMany<EntryFacts, HostClaim>('host claims', facts, (entry, fetch, key) => {
    const { namespace, createdAt } = entry
    const visibility = config.visibility(namespace, fetch)
    if (visibility === 'none' || !config.isDiscovered(namespace, fetch)) return new Map()
    return new Map(
      entry.hosts.map((host) => [
        claimKey(key, host),
        { entry: key, namespace, host, createdAt, visibility },
      ]),
    )
  })
  const byHost = claims.index((claim) => [claim.host])
  const verdicts = graph.derive<HostClaim, HostVerdict>('host verdicts', claims, (claim, fetch) =>
    rankHost(claim, fetch.find(byHost, claim.host), kubeServices.namespaceOf(claim.host, fetch)),
  )
  return { claims, verdicts }
}

function entryAddresses(
  { graph }: MeshInputs,
  { facts, claims, verdicts }: Parts,
  { places, kubeServices, waypoints }: EntrySources,
): Collection<Address> {
  return graph.deriveMany<HostClaim, Address>('service entry hosts', claims, (claim, fetch, key) => {
    const entry = fetch.get(facts, claim.entry)
    const verdict = fetch.get(verdicts, key)
    if (entry === undefined || verdict?.kind !== 'won') return new Map()
    const service = translateEntry(entry, claim.host, {
      network: places.network(fetch),
      namespaceDistribution: kubeServices.distribution(claim.namespace, fetch),
      isCanonical: verdict.isCanonical,
      visibility: claim.visibility,
      waypoint: serviceWaypoint(fetch.get(waypoints, claim.entry)),
    })
    return servicesByName([service])
  })
}

function entryKey(entry: Pick<KubeObject['metadata'], 'namespace' | 'name'>): string {
  return `${entry.namespace}/${entry.name}`
}

/** Hosts have no bar in them. */
function claimKey(entry: string, host: string): string {
  return `${entry}|${host}`
}
