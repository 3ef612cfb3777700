import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import { isSameVersion, type MeshInputs } from '../mesh-inputs.ts'
import { entryVisibility, isDiscovered, serviceScope } from './match-rules.ts'
import {
  type EntryVisibility,
  type MeshConfig,
  MESH_CONFIG_NAME,
  NO_MESH_CONFIG,
  readMeshConfig,
  type ServiceScope,
} from './mesh-config.ts'

/** What the mesh's configuration says, each part of it to be read alone. */
export interface ConfigState {
  /** Undefined while there is none, or none that could be read. */
  readonly current: Collection<MeshConfig>
  /** The mesh's own trust domain, then its aliases: all mean the same identities. */
  trustDomains(fetch: Fetch): readonly string[]
  /** Whether node proxies are told of what is in `namespace`. */
  isDiscovered(namespace: string, fetch: Fetch, prefix?: string): boolean
  visibility(namespace: string, fetch: Fetch): EntryVisibility
  /** Whether the mesh says anything about visibility at all. */
  hasVisibilityRules(fetch: Fetch): boolean
  /** @param namespace Asked only when it matters: labels of the service's namespace, in its own cluster. */
  scope(service: Labels, namespace: () => Labels, fetch: Fetch): ServiceScope
  /** The labels of a namespace, ours or of the cluster whose prefix it has. */
  namespaceLabels(namespace: string, fetch: Fetch): Labels
  /** The objects of a kind that configures the mesh, without those that are for another control plane. */
  readonly own: Readonly<Record<RevisionedKind, Collection<KubeObject>>>
}

/** Kinds of which each control plane takes its own; pods, Services and Namespaces are everybody's. */
type RevisionedKind =
  | 'AuthorizationPolicy'
  | 'PeerAuthentication'
  | 'RequestAuthentication'
  | 'ServiceEntry'
  | 'WorkloadEntry'

const REVISION = 'istio.io/rev'
const TAG = 'istio.io/tag'
type Labels = Readonly<Record<string, string>>

const NO_LABELS = {}

export function configState(inputs: MeshInputs): ConfigState {
  const { graph, mesh, of } = inputs
  const key = `${mesh.systemNamespace}/${MESH_CONFIG_NAME}`
  const current = graph.derive<KubeObject, MeshConfig>(
    'mesh config',
    of('ConfigMap'),
    (configMap, _fetch, name) => (name === key ? readMeshConfig(configMap) : undefined),
    { fallback: (_configMap, name) => (name === key ? mesh.startConfig : undefined) },
  )
  /** One part of it, so that a change to another part concerns nobody who reads this one. */
  const part = <T>(name: string, read: (config: MeshConfig) => T): ((fetch: Fetch) => T) => {
    const collection = graph.derive<MeshConfig, T>(`mesh config: ${name}`, current, read)
    return (fetch) => fetch.get(collection, key) ?? read(NO_MESH_CONFIG)
  }
  const aliases = part('trust domain aliases', (config) => config.trustDomainAliases)
  const scopes = part('service scopes', (config) => config.serviceScopes)
  const rules = part('visibility', (config) => ({ rules: config.visibility }))
  const selectors = part('discovery selectors', (config) => config.discoverySelectors)
  const visibilities = graph.derive('namespace visibilities', of('Namespace'), (namespace, fetch) =>
    entryVisibility(rules(fetch).rules, namespace.metadata.labels),
  )
  const labels = graph.union<Labels>('namespace labels', [
    graph.derive('own namespace labels', of('Namespace'), ({ metadata }) => metadata.labels),
    graph.derive('remote namespace labels', inputs.remote.Namespace, ({ metadata }) => metadata.labels),
  ])
  const discovered = graph.derive('discovered namespaces', labels, (given, fetch) =>
    isDiscovered(selectors(fetch), given),
  )
  return {
    current,
    trustDomains: (fetch) => [...new Set([mesh.trustDomain, ...aliases(fetch)])],
    isDiscovered: (namespace, fetch, prefix = '') =>
      namespace === mesh.systemNamespace ||
      selectors(fetch).length === 0 ||
      (fetch.get(discovered, `${prefix}${namespace}`) ?? false),
    hasVisibilityRules: (fetch) => rules(fetch).rules !== undefined,
    visibility: (namespace, fetch) =>
      fetch.get(visibilities, namespace) ?? entryVisibility(rules(fetch).rules, NO_LABELS),
    scope: (service, namespace, fetch) => {
      const given = scopes(fetch)
      return given.length === 0 ? 'local' : serviceScope(given, { service, namespace: namespace() })
    },
    namespaceLabels: (namespace, fetch) => fetch.get(labels, namespace) ?? NO_LABELS,
    own: ownObjects(inputs),
  }
}

/** A label names a revision or one of its tags; no label means every control plane. */
function ownObjects({ graph, mesh, of }: MeshInputs): ConfigState['own'] {
  const tags = graph.derive('revision tags', of('Service'), ({ metadata }) =>
    metadata.namespace === mesh.systemNamespace && metadata.labels[REVISION] === mesh.revision
      ? metadata.labels[TAG]
      : undefined,
  )
  const byTag = tags.index((tag) => [tag])
  const own = (kind: RevisionedKind): Collection<KubeObject> =>
    graph.derive(
      `own ${kind}`,
      of(kind),
      (object, fetch) => {
        const named = object.metadata.labels[REVISION]
        if (named === undefined || named === mesh.revision) return object
        return fetch.find(byTag, named).length > 0 ? object : undefined
      },
      { equal: isSameVersion },
    )
  return {
    AuthorizationPolicy: own('AuthorizationPolicy'),
    PeerAuthentication: own('PeerAuthentication'),
    RequestAuthentication: own('RequestAuthentication'),
    ServiceEntry: own('ServiceEntry'),
    WorkloadEntry: own('WorkloadEntry'),
  }
}
