import { createHash } from 'node:crypto'
import { describeRef, isRecord, type KubeObject, type Manifest, type ObjectRef, refOf } from '@ambient/kube'
import { MANAGED_LABEL, MANAGED_VALUE, VERSION_ANNOTATION, CONTROLLER_VERSION } from './gateway-names.ts'
import { judgeGateway } from './judge-gateway.ts'
import { OverlayError, overlayObjects } from './overlay-objects.ts'
import type { PlanInput } from './plan-input.ts'
import { type GatewayStatus, refusedStatus, waypointStatus } from './waypoint-status.ts'
import { waypointObjects } from './waypoint-objects.ts'

/** One thing to be done, in this order. */
export type WaypointAction =
  /** Marks the Gateway as this controller's, before anything is made for it. */
  | {
      readonly kind: 'claim'
      readonly ref: ObjectRef
      readonly annotations: Readonly<Record<string, string>>
    }
  | { readonly kind: 'apply'; readonly object: Manifest }
  | { readonly kind: 'delete'; readonly ref: ObjectRef }

export type WaypointPlan =
  | { readonly kind: 'foreign'; readonly detail: string }
  | { readonly kind: 'ours'; readonly actions: readonly WaypointAction[]; readonly status: GatewayStatus }

/** Holds a fingerprint of what was applied: a field that is no longer asked for shows in nothing else. */
const APPLIED_ANNOTATION = 'ambient.istio.io/applied'

/**
 * What is to be done so that a Gateway has its waypoint, and what its status is to say. The plan of a state that has been
 * reached has no actions. Pure.
 */
export function planWaypoint(input: PlanInput): WaypointPlan {
  const { gateway, defaults, observed } = input
  const verdict = judgeGateway(input)
  if (verdict.kind === 'foreign') return verdict
  if (verdict.kind === 'refused') return { kind: 'ours', actions: [], status: refusedStatus(input, verdict) }
  const { wish, listenerFaults } = verdict
  let wanted: readonly Manifest[]
  try {
    const overlays = [input.classDefaults, input.parameters].filter((overlay) => overlay !== undefined)
    refuseMissingParameters(input)
    wanted = overlayObjects(waypointObjects(gateway, wish, defaults), overlays)
  } catch (cause) {
    if (!(cause instanceof OverlayError)) throw cause
    const refusal = { reason: 'InvalidParameters', message: cause.message } as const
    return { kind: 'ours', actions: [], status: refusedStatus(input, refusal) }
  }
  const foreign = wanted.flatMap((object) => foreignObject(object, observed, gateway))
  const blocked = foreign.filter(({ kind }) => kind !== 'ServiceAccount') // an account of the user's is used as it is
  const status = waypointStatus(input, { wish, listenerFaults, blocked })
  if (blocked.length > 0) return { kind: 'ours', actions: [], status }
  const applied = wanted.filter(({ kind }) => !foreign.some((object) => object.kind === kind))
  return {
    kind: 'ours',
    actions: [
      ...claim(gateway),
      ...applied.flatMap((object) => applyUnlessThere(object, observed)),
      ...leftovers(applied, input).map((object) => ({ kind: 'delete', ref: refOf(object) }) as const),
    ],
    status,
  }
}

function refuseMissingParameters({ gateway, parameters }: PlanInput): void {
  const infrastructure = isRecord(gateway.spec) ? gateway.spec['infrastructure'] : undefined
  const reference = isRecord(infrastructure) ? infrastructure['parametersRef'] : undefined
  if (!isRecord(reference)) return
  const of = 'spec.infrastructure.parametersRef'
  if (reference['kind'] !== 'ConfigMap' || (reference['group'] ?? '') !== '')
    throw new OverlayError(`${of} must name a ConfigMap`)
  if (parameters === undefined)
    throw new OverlayError(`${of}: there is no ConfigMap ${String(reference['name'])}`)
}

function claim(gateway: KubeObject): readonly WaypointAction[] {
  const version = String(CONTROLLER_VERSION)
  if (gateway.metadata.annotations[VERSION_ANNOTATION] === version) return []
  return [{ kind: 'claim', ref: refOf(gateway), annotations: { [VERSION_ANNOTATION]: version } }]
}

/** What has the name of an object that is wanted, and was made by somebody else: it is never taken over. */
function foreignObject(
  wanted: Manifest,
  observed: readonly KubeObject[],
  gateway: KubeObject,
): readonly KubeObject[] {
  const there = find(wanted, observed)
  if (there === undefined || isOurs(there) || isOwnedBy(there, gateway)) return []
  return [there]
}

function applyUnlessThere(object: Manifest, observed: readonly KubeObject[]): readonly WaypointAction[] {
  const fingerprint = createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 16)
  const marked: Manifest = {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: { ...object.metadata.annotations, [APPLIED_ANNOTATION]: fingerprint },
    },
  }
  const there = find(object, observed)
  return there !== undefined && holds(there, marked) ? [] : [{ kind: 'apply', object: marked }]
}

/** Objects that were made for the Gateway and are no longer asked for. */
function leftovers(applied: readonly Manifest[], { gateway, observed }: PlanInput): readonly KubeObject[] {
  return observed.filter(
    (object) =>
      isOurs(object) &&
      isOwnedBy(object, gateway) &&
      object.metadata.deletionTimestamp === undefined &&
      !applied.some(({ kind, metadata }) => kind === object.kind && metadata.name === object.metadata.name),
  )
}

function find(wanted: Manifest, observed: readonly KubeObject[]): KubeObject | undefined {
  const { kind, metadata } = wanted
  return observed.find((object) => object.kind === kind && object.metadata.name === metadata.name)
}

function isOurs({ metadata }: KubeObject): boolean {
  return metadata.labels[MANAGED_LABEL] === MANAGED_VALUE
}

function isOwnedBy({ metadata }: KubeObject, gateway: KubeObject): boolean {
  return metadata.ownerReferences.some(({ uid }) => uid === gateway.metadata.uid)
}

/** Whether everything in `wanted` is in `there` as well; what the API server adds by itself is of no account. */
function holds(there: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(there) &&
      there.length === wanted.length &&
      wanted.every((item, index) => holds(there[index], item))
    )
  if (!isRecord(wanted)) return there === wanted
  return (
    isRecord(there) &&
    Object.entries(wanted).every(([key, value]) => value === undefined || holds(there[key], value))
  )
}

/** How an action reads in a log line. */
export function describeAction(action: WaypointAction): string {
  if (action.kind !== 'apply') return `${action.kind} ${describeRef(action.ref)}`
  const { kind, metadata } = action.object
  return `apply ${describeRef({ kind, name: metadata.name, namespace: metadata.namespace ?? 'default' })}`
}
