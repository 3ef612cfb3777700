import { describeRef, type KindName, type KubeObject, type ObjectRef, refOf } from '@ambient/kube'

/** One condition of an object's status, without what only the writing of it adds. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

/** Who says what: fields of a status belong to the manager that wrote them, and each manager has conditions of its own. */
export type FieldManager =
  | 'istio-ambient-ztunnel-policy'
  | 'istio-ambient-waypoint-policy'
  | 'istio-ambient-service'
  | 'istio-ambient-workloadentry'
  | 'istio-ambient-validation'
  | 'istio-ambient-warnings'

/** The conditions of each manager, all of them: what an object has of these and should not have is taken away. */
export const managedConditions: Readonly<
  Record<FieldManager, { readonly kinds: readonly KindName[]; readonly types: readonly string[] }>
> = {
  'istio-ambient-ztunnel-policy': {
    kinds: ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'],
    types: ['ZtunnelAccepted'],
  },
  'istio-ambient-waypoint-policy': {
    kinds: ['AuthorizationPolicy', 'RequestAuthentication'],
    types: ['WaypointAccepted'],
  },
  'istio-ambient-service': {
    kinds: ['Service', 'ServiceEntry'],
    types: ['istio.io/WaypointBound', 'istio.io/WaypointMissing', 'istio.io/VisibilityApplied'],
  },
  'istio-ambient-workloadentry': { kinds: ['WorkloadEntry'], types: ['istio.io/WaypointBound'] },
  'istio-ambient-validation': {
    kinds: ['ServiceEntry', 'WorkloadEntry', 'Gateway'],
    types: ['istio.io/Valid'],
  },
  'istio-ambient-warnings': {
    kinds: ['Service', 'ServiceEntry', 'WorkloadEntry'],
    types: ['istio.io/Warnings'],
  },
}

/** All that one manager says about one object. */
export interface ObjectConditions {
  readonly ref: ObjectRef
  readonly manager: FieldManager
  /** Of the object these conditions are about. */
  readonly generation: number
  /** Never empty, and at most one of a type. */
  readonly conditions: readonly Condition[]
}

/** The conditions of one object as a collection holds them, under a key of their own; nothing when there are none. */
export function conditionsOf(
  object: KubeObject,
  manager: FieldManager,
  conditions: readonly Condition[],
): ReadonlyMap<string, ObjectConditions> {
  if (conditions.length === 0) return new Map()
  const { generation } = object.metadata
  const ref = refOf(object)
  return new Map([[`${describeRef(ref)} ${manager}`, { ref, manager, generation, conditions }]])
}
