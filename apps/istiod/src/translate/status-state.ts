import type { Collection, CollectionIndex } from '@ambient/collections'
import { describeRef, type KindName, type KubeObject } from '@ambient/kube'
import type { ObjectConditions } from './conditions.ts'
import type { ConfigState } from './config/config-state.ts'
import type { MeshInputs } from './mesh-inputs.ts'

/** What is to be said in the status of objects, and the objects that it may be said of. */
export interface StatusState {
  /** Without those that are another control plane's to speak of; under `namespace/name`. */
  readonly objects: ReadonlyMap<KindName, Collection<KubeObject>>
  /** Each manager's part of one object's status under a key of its own. */
  readonly conditions: Collection<ObjectConditions>
  /** The same, under what `describeRef` names the object. */
  readonly byObject: CollectionIndex<ObjectConditions>
}

export function statusState(
  { graph, of }: MeshInputs,
  { own }: ConfigState,
  parts: readonly Collection<ObjectConditions>[],
): StatusState {
  const conditions = graph.union('conditions', parts)
  return {
    objects: new Map<KindName, Collection<KubeObject>>([
      ['AuthorizationPolicy', own.AuthorizationPolicy],
      ['PeerAuthentication', own.PeerAuthentication],
      ['RequestAuthentication', own.RequestAuthentication],
      ['Service', of('Service')],
      ['ServiceEntry', own.ServiceEntry],
      ['WorkloadEntry', own.WorkloadEntry],
      ['Gateway', of('Gateway')],
    ]),
    conditions,
    byObject: conditions.index(({ ref }) => [describeRef(ref)]),
  }
}
