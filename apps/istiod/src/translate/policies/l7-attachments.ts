import type { Collection, CollectionGraph, CollectionIndex } from '@ambient/collections'
import type { ConvertedPolicy } from './convert-authorization-policy.ts'
import type { RequestAuthentication } from './request-authentication.ts'
import type { TargetRef } from './target-refs.ts'

/** A policy that only a waypoint can enforce. */
export interface L7Attachment {
  /** As `describeRef` names it. */
  readonly policy: string
  /** What it is attached to, each as `targetKey` names it. */
  readonly targets: readonly string[]
}

/** Stands for all classes there are. */
export const ANY_CLASS = '*'

/** Policies by what they are attached to; those of any GatewayClass also under `ANY_CLASS`. */
export function l7Attachments(
  graph: CollectionGraph,
  policies: Collection<ConvertedPolicy>,
  requestAuthentications: Collection<RequestAuthentication>,
  rootNamespace: string,
): CollectionIndex<L7Attachment> {
  const authorizations = graph.deriveMany<ConvertedPolicy, L7Attachment>(
    'L7 authorizations',
    policies,
    (policy, _fetch, key) =>
      policy.kind === 'for-waypoints' && policy.isEnforced
        ? attachment('AuthorizationPolicy', key, policy.targets, rootNamespace)
        : new Map(),
  )
  const authentications = graph.deriveMany<RequestAuthentication, L7Attachment>(
    'L7 authentications',
    requestAuthentications,
    ({ targets }, _fetch, key) => attachment('RequestAuthentication', key, targets, rootNamespace),
  )
  return graph.union('L7 policies', [authorizations, authentications]).index(({ targets }) => targets)
}

/** `Kind namespace/name`, or `GatewayClass name`. */
export function targetKey({ kind, name }: TargetRef, namespace: string): string {
  return kind === 'GatewayClass' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

function attachment(
  kind: 'AuthorizationPolicy' | 'RequestAuthentication',
  key: string,
  targets: readonly TargetRef[],
  rootNamespace: string,
): ReadonlyMap<string, L7Attachment> {
  const policy = `${kind} ${key}`
  const [namespace = ''] = key.split('/')
  // A class belongs to everybody, so only the root namespace may attach something to it.
  const valid = targets.filter((target) => target.kind !== 'GatewayClass' || namespace === rootNamespace)
  const keys = valid.map((target) => targetKey(target, namespace))
  const ofClass = valid.some((target) => target.kind === 'GatewayClass') ? [`GatewayClass ${ANY_CLASS}`] : []
  return new Map(keys.length === 0 ? [] : [[policy, { policy, targets: [...keys, ...ofClass] }]])
}
