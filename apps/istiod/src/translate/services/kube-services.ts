import type { Collection, Fetch } from '@ambient/collections'
import { isRecord, type KubeObject } from '@ambient/kube'
import { type Address, serviceName } from '@ambient/model'
import { servicesByName } from '../by-name.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { ObjectWarning } from '../object-warnings.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { RemoteState } from '../remote/remote-state.ts'
import type { WaypointBinding } from '../waypoints/waypoint-binding.ts'
import { serviceWaypoint } from '../waypoints/waypoint-fields.ts'
import { TRAFFIC_DISTRIBUTION } from './load-balancing.ts'
import { hostnameOf, type ServiceFacts, serviceFacts } from './service-facts.ts'
import { translateService } from './translate-service.ts'

/** The Services of the cluster. */
export interface KubeServices {
  /** What decides who belongs to each, under `namespace/hostname`. */
  readonly facts: Collection<ServiceFacts>
  /** The Service called `name`. */
  named(namespace: string, name: string, fetch: Fetch): ServiceFacts | undefined
  /** Where the Service is whose host name this is. */
  namespaceOf(host: string, fetch: Fetch): string | undefined
  /** Which endpoints a namespace wants to be preferred, by its annotation. */
  distribution(namespace: string, fetch: Fetch): string | undefined
}

export function kubeServices({ graph, mesh, of }: MeshInputs, config: ConfigState): KubeServices {
  const facts = graph.deriveMany<KubeObject, ServiceFacts>(
    'service facts',
    of('Service'),
    (service, fetch) => {
      const { namespace = '' } = service.metadata
      if (!config.isDiscovered(namespace, fetch)) return new Map()
      const labels = (): ReturnType<ConfigState['namespaceLabels']> =>
        config.namespaceLabels(namespace, fetch)
      const scope = config.scope(service.metadata.labels, labels, fetch)
      const found = serviceFacts(service, { domainSuffix: mesh.domainSuffix, scope })
      return new Map(found === undefined ? [] : [[serviceName(found), found]])
    },
  )
  const distributions = graph.derive(
    'traffic distributions',
    of('Namespace'),
    (namespace) => namespace.metadata.annotations[TRAFFIC_DISTRIBUTION],
  )
  return {
    facts,
    named: (namespace, name, fetch) =>
      fetch.get(facts, `${namespace}/${hostnameOf(name, namespace, mesh.domainSuffix)}`),
    namespaceOf: (host, fetch) => {
      const namespace = namespaceIn(host, mesh.domainSuffix)
      if (namespace === undefined) return undefined
      return fetch.get(facts, `${namespace}/${host}`)?.namespace
    },
    distribution: (namespace, fetch) => fetch.get(distributions, namespace),
  }
}

export interface ServiceSources {
  readonly places: PlaceState
  readonly config: ConfigState
  /** Under `namespace/name`. */
  readonly waypoints: Collection<WaypointBinding>
  readonly remote: RemoteState
}

export function serviceAddresses(
  { graph, mesh, of }: MeshInputs,
  services: KubeServices,
  { places, config, waypoints, remote }: ServiceSources,
): Collection<Address> {
  return graph.deriveMany<KubeObject, Address>('services', of('Service'), (object, fetch, key) => {
    const { namespace = '' } = object.metadata
    if (!config.isDiscovered(namespace, fetch)) return new Map()
    const around = {
      network: places.network(fetch),
      namespaceDistribution: services.distribution(namespace, fetch),
      waypoint: serviceWaypoint(fetch.get(waypoints, key)),
    }
    const service = translateService(object, around, mesh)
    if (service === undefined) return new Map()
    const isGlobal = fetch.get(services.facts, serviceName(service))?.scope === 'global'
    return servicesByName([isGlobal ? remote.merged(service, fetch) : service])
  })
}

/** What of a Service is not done, though nothing is wrong with it. */
export function serviceWarnings(service: KubeObject): readonly ObjectWarning[] {
  const type: unknown = isRecord(service.spec) ? service.spec['type'] : undefined
  if (type !== 'ExternalName') return []
  const message =
    'it is not sent: an ExternalName is an alias in DNS, and connections are treated as to the host it names'
  return [{ reason: 'EXTERNAL_NAME_LEFT_OUT', message }]
}

/** Of `NAME.NAMESPACE.svc.SUFFIX`, the namespace. */
function namespaceIn(host: string, domainSuffix: string): string | undefined {
  const [name, namespace, svc, ...suffix] = host.split('.')
  return name !== '' && svc === 'svc' && suffix.join('.') === domainSuffix ? namespace : undefined
}
