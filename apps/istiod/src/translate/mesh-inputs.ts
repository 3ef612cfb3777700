import type { CollectionGraph, InputCollection } from '@ambient/collections'
import type { KindName, KubeObject } from '@ambient/kube'
import type { MeshOptions } from './mesh-options.ts'

/** Kinds of objects that istiod reads. */
export const watchedKinds: readonly KindName[] = [
  'Namespace',
  'Node',
  'ConfigMap',
  'ServiceAccount',
  'Service',
  'EndpointSlice',
  'AuthorizationPolicy',
  'PeerAuthentication',
  'RequestAuthentication',
  'GatewayClass',
  'Gateway',
  'ServiceEntry',
  'WorkloadEntry',
  'Pod',
]

/** Kinds that are read of the mesh's other clusters too. */
export const remoteKinds = ['Namespace', 'Node', 'Service', 'EndpointSlice', 'Gateway', 'Pod'] as const

type RemoteKind = (typeof remoteKinds)[number]

/** What every part of the state is made from. */
export interface MeshInputs {
  readonly graph: CollectionGraph
  readonly mesh: MeshOptions
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly byKind: ReadonlyMap<KindName, InputCollection<KubeObject>>
  /** The objects of one of the watched kinds. */
  readonly of: (kind: KindName) => InputCollection<KubeObject>
  /** The same of all other clusters, each object under `clusterPrefix` and its key. */
  readonly remote: Readonly<Record<RemoteKind, InputCollection<KubeObject>>>
}

/** What stands before the keys of everything in another cluster; nothing does before those of our own. */
export function clusterPrefix(cluster: string): string {
  return `${cluster}|`
}

/** The prefix that a key has: names of objects and hosts have no bar in them. */
export function prefixOf(key: string): string {
  return key.slice(0, key.indexOf('|') + 1)
}

/** The cluster that a prefix stands for. */
export function clusterIn(prefix: string, mesh: Pick<MeshOptions, 'clusterId'>): string {
  return prefix === '' ? mesh.clusterId : prefix.slice(0, -1)
}

export function meshInputs(graph: CollectionGraph, mesh: MeshOptions): MeshInputs {
  const byKind = new Map(
    watchedKinds.map((kind) => [kind, graph.input<KubeObject>(kind, { equal: isSameVersion })]),
  )
  const remote = (kind: RemoteKind): InputCollection<KubeObject> =>
    graph.input<KubeObject>(`remote ${kind}`, { equal: isSameVersion })
  return {
    graph,
    mesh,
    byKind,
    remote: {
      Namespace: remote('Namespace'),
      Node: remote('Node'),
      Service: remote('Service'),
      EndpointSlice: remote('EndpointSlice'),
      Gateway: remote('Gateway'),
      Pod: remote('Pod'),
    },
    of: (kind) => {
      const found = byKind.get(kind)
      if (found === undefined) throw new Error(`${kind} is not among the watched kinds`)
      return found
    },
  }
}

/** Whether two readings are of one version of an object. */
export function isSameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion
}
