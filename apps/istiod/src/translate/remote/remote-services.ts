import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import { type Service, serviceName } from '@ambient/model'
import type { ConfigState } from '../config/config-state.ts'
import { type MeshInputs, prefixOf } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { ServiceName } from '../services/membership.ts'
import { hostnameOf, type ServiceFacts, serviceFacts } from '../services/service-facts.ts'
import { translateService } from '../services/translate-service.ts'
import { serviceWaypoint } from '../waypoints/waypoint-fields.ts'

/** A Service of another cluster that is one with those of its name elsewhere. */
export interface RemoteService {
  /** Of its cluster. */
  readonly prefix: string
  readonly facts: ServiceFacts
  /** As its own cluster has it. */
  readonly service: Service
}

export interface RemoteServices {
  /** Under the prefix of their cluster and `namespace/hostname`. */
  readonly all: Collection<RemoteService>
  /** The same, under `namespace/hostname`. */
  readonly byName: CollectionIndex<RemoteService>
  /** What decides who belongs to each, under the same keys. */
  readonly facts: Collection<ServiceFacts>
  readonly named: (at: ServiceName, fetch: Fetch) => ServiceFacts | undefined
}

/** Only those that the mesh's configuration makes global: the others are nobody's business but their cluster's. */
export function remoteServices(
  { graph, mesh, remote }: MeshInputs,
  { config, places }: { readonly config: ConfigState; readonly places: PlaceState },
): RemoteServices {
  const all = graph.deriveMany<KubeObject, RemoteService>(
    'remote services',
    remote.Service,
    (object, fetch, key) => {
      const prefix = prefixOf(key)
      const { namespace = '', labels } = object.metadata
      const labelsOf = (): Readonly<Record<string, string>> =>
        config.namespaceLabels(`${prefix}${namespace}`, fetch)
      const isKnown =
        config.isDiscovered(namespace, fetch, prefix) && config.scope(labels, labelsOf, fetch) === 'global'
      const facts = isKnown
        ? serviceFacts(object, { domainSuffix: mesh.domainSuffix, scope: 'global' })
        : undefined
      if (facts === undefined) return new Map()
      const around = {
        network: places.network(fetch, prefix),
        namespaceDistribution: undefined,
        waypoint: serviceWaypoint(undefined),
      }
      const service = translateService(object, around, mesh)
      if (service === undefined) return new Map()
      return new Map([[`${prefix}${serviceName(service)}`, { prefix, facts, service }]])
    },
  )
  const facts = graph.derive<RemoteService, ServiceFacts>('remote service facts', all, (each) => each.facts)
  return {
    all,
    byName: all.index(({ service }) => [serviceName(service)]),
    facts,
    named: ({ prefix, namespace, name }, fetch) =>
      fetch.get(facts, `${prefix}${namespace}/${hostnameOf(name, namespace, mesh.domainSuffix)}`),
  }
}
