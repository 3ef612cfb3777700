import type { Collection } from '@ambient/collections'
import { type KubeObject, type ObjectRef, readAllocatedAddresses, refOf } from '@ambient/kube'
import { isIpv6 } from '@ambient/model'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import { allocatableHosts, type EntryFacts, entryFacts } from './entry-facts.ts'

/** A virtual IP that a ServiceEntry has for one of its hosts. */
export interface HostAddress {
  readonly host: string
  /** Canonical. */
  readonly ip: string
}

/** What one ServiceEntry has of virtual IPs, and what it wants. */
export interface AddressClaim {
  readonly ref: ObjectRef
  /** Of the object this was read from. */
  readonly resourceVersion: string
  readonly createdAt: string
  /** The user's own, with the bits of them that count; nobody else may have them. */
  readonly given: readonly { readonly ip: string; readonly length: number }[]
  /** Hosts that are to have an address of each family; undefined for an entry that is not ours to change. */
  readonly wanted: readonly string[] | undefined
  readonly allocated: readonly HostAddress[]
}

/** Of every ServiceEntry: what another control plane's have is taken too. Under `namespace/name`. */
export function addressClaims(
  { graph, of }: MeshInputs,
  { own, isDiscovered }: Pick<ConfigState, 'own' | 'isDiscovered'>,
): Collection<AddressClaim> {
  return graph.derive<KubeObject, AddressClaim>(
    'address claims',
    of('ServiceEntry'),
    (object, fetch, key) => {
      const facts = understood(object)
      const { resourceVersion, creationTimestamp, namespace = '' } = object.metadata
      const isOurs = fetch.get(own.ServiceEntry, key) !== undefined && isDiscovered(namespace, fetch)
      return {
        ref: refOf(object),
        resourceVersion,
        createdAt: creationTimestamp,
        given: (facts?.addresses ?? []).map(({ ip, prefixLength }) => ({
          ip,
          length: prefixLength ?? (isIpv6(ip) ? 128 : 32),
        })),
        wanted: isOurs && facts !== undefined ? allocatableHosts(facts) : undefined,
        allocated: readAllocatedAddresses(object),
      }
    },
  )
}

/** One that cannot be understood is reported where its services are made; here it only keeps what it has. */
function understood(object: KubeObject): EntryFacts | undefined {
  try {
    return entryFacts(object)
  } catch {
    return undefined
  }
}
