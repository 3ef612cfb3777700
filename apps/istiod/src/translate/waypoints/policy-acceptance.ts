import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import { type Condition, conditionsOf, type ObjectConditions } from '../conditions.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import { targetKey } from '../policies/l7-attachments.ts'
import type { TargetRef } from '../policies/target-refs.ts'
import type { Reading, Validated } from '../validated.ts'
import type { WaypointBinding } from './waypoint-binding.ts'
import type { WaypointBindings } from './waypoint-bindings.ts'
import type { WaypointState } from './waypoint-state.ts'
import { waypointKey } from './waypoint-wishes.ts'

/** Policies of one kind, and what they are attached to. */
export interface AttachedPolicies<V> {
  readonly objects: Collection<KubeObject>
  readonly policies: Validated<V>
  readonly targetsOf: (policy: V) => readonly TargetRef[]
}

export interface AcceptanceSources {
  readonly waypoints: WaypointState
  readonly bindings: WaypointBindings
}

type TargetVerdict =
  | { readonly isBound: true; readonly detail: string }
  | { readonly isBound: false; readonly reason: TargetProblem; readonly detail: string }

type TargetProblem = 'Invalid' | 'TargetNotFound' | 'AncestorNotBound'

const MESH_CONTROLLER = 'istio.io/mesh-controller'
/** Made by the control plane where nobody else has made it. */
const BUILT_IN_CLASS = 'istio-waypoint'

/** What is said of policies that are attached to something: whether a waypoint takes them. */
export function acceptanceConditions<V>(
  inputs: MeshInputs,
  { objects, policies, targetsOf }: AttachedPolicies<V>,
  sources: AcceptanceSources,
): Collection<ObjectConditions> {
  const { readings } = policies
  return inputs.graph.deriveMany<KubeObject, ObjectConditions>(
    `${policies.inForce.name} acceptance`,
    objects,
    (object, fetch, key) => {
      const reading = fetch.get(readings, key)
      const policy = reading?.kind === 'good' ? reading.value : reading?.closed
      const targets = policy === undefined ? [] : targetsOf(policy)
      if (reading === undefined || targets.length === 0) return new Map()
      const { namespace = '' } = object.metadata
      const verdicts = targets.map((target) => ({
        target,
        verdict: judgeTarget(target, namespace, { inputs, sources, fetch }),
      }))
      const said = reading.kind === 'bad' ? invalid(reading) : accepted(verdicts, namespace)
      return conditionsOf(object, 'istio-ambient-waypoint-policy', [said])
    },
  )
}

interface Asked {
  readonly inputs: MeshInputs
  readonly sources: AcceptanceSources
  readonly fetch: Fetch
}

function judgeTarget(target: TargetRef, namespace: string, asked: Asked): TargetVerdict {
  switch (target.kind) {
    case 'GatewayClass':
      return judgeClass(target.name, namespace, asked)
    case 'Gateway':
      return judgeGateway(target.name, namespace, asked)
    case 'Service':
      return judgeService(target, namespace, { ...asked, bindings: asked.sources.bindings.services })
    case 'ServiceEntry':
      return judgeService(target, namespace, { ...asked, bindings: asked.sources.bindings.entries })
  }
}

function judgeClass(name: string, namespace: string, { inputs, sources, fetch }: Asked): TargetVerdict {
  const { rootNamespace } = inputs.mesh
  if (namespace !== rootNamespace)
    return unbound('Invalid', `only policies of namespace ${rootNamespace} may be attached to a GatewayClass`)
  const found = fetch.get(sources.waypoints.classes, name)
  if (found === undefined && name !== BUILT_IN_CLASS)
    return unbound('TargetNotFound', `there is no GatewayClass ${name}`)
  if (found !== undefined && found.controllerName !== MESH_CONTROLLER)
    return unbound(
      'Invalid',
      `GatewayClass ${name} is not for waypoints: its controller is not ${MESH_CONTROLLER}`,
    )
  return { isBound: true, detail: `bound to ${name}` }
}

function judgeGateway(name: string, namespace: string, { sources, fetch }: Asked): TargetVerdict {
  const key = `${namespace}/${name}`
  const waypoint = fetch.get(sources.waypoints.all, key)
  return waypoint?.address === undefined
    ? unbound('TargetNotFound', `there is no Gateway ${key} that is ready`)
    : { isBound: true, detail: `bound to ${key}` }
}

function judgeService(
  { kind, name }: TargetRef,
  namespace: string,
  { bindings, fetch }: Asked & { readonly bindings: Collection<WaypointBinding> },
): TargetVerdict {
  const key = `${namespace}/${name}`
  const binding = fetch.get(bindings, key)
  if (binding === undefined) return unbound('TargetNotFound', `there is no ${kind} ${key}`)
  if (binding.kind !== 'bound') return unbound('AncestorNotBound', `${kind} ${key} is bound to no waypoint`)
  return { isBound: true, detail: `bound to ${waypointKey(binding.waypoint)}` }
}

function unbound(reason: TargetProblem, detail: string): TargetVerdict {
  return { isBound: false, reason, detail }
}

/** One condition for all targets: true if a waypoint takes the policy for one of them at least. */
function accepted(
  verdicts: readonly { readonly target: TargetRef; readonly verdict: TargetVerdict }[],
  namespace: string,
): Condition {
  const [first] = verdicts
  if (first !== undefined && verdicts.length === 1) {
    const { verdict } = first
    return verdict.isBound
      ? condition('True', 'Accepted', verdict.detail)
      : condition('False', verdict.reason, `${verdict.detail}: the policy is not enforced`)
  }
  const told = verdicts.map(({ target, verdict }) =>
    verdict.isBound ? `${targetKey(target, namespace)} is ${verdict.detail}` : verdict.detail,
  )
  const bound = verdicts.filter(({ verdict }) => verdict.isBound)
  if (bound.length === 0) return condition('False', 'Invalid', told.join('; '))
  return condition(
    'True',
    bound.length === verdicts.length ? 'Accepted' : 'PartiallyInvalid',
    told.join('; '),
  )
}

function invalid<V>({ problem }: Extract<Reading<V>, { kind: 'bad' }>): Condition {
  return condition('False', 'Invalid', `${problem}; no waypoint takes it until it is corrected`)
}

function condition(status: Condition['status'], reason: string, message: string): Condition {
  return { type: 'WaypointAccepted', status, reason, message }
}
