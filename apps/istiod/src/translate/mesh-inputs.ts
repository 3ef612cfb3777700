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

/** What every part of the state is made from. */
export interface MeshInputs {
  readonly graph: CollectionGraph
  readonly mesh: MeshOptions
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly byKind: ReadonlyMap<KindName, InputCollection<KubeObject>>
  /** The objects of one of the watched kinds. */
  readonly of: (kind: KindName) => InputCollection<KubeObject>
}

export function meshInputs(graph: CollectionGraph, mesh: MeshOptions): MeshInputs {
  const byKind = new Map(
    watchedKinds.map((kind) => [kind, graph.input<KubeObject>(kind, { equal: isSameVersion })]),
  )
  return {
    graph,
    mesh,
    byKind,
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
