import type { Condition } from '../conditions.ts'
import type { EntryVisibility } from '../config/mesh-config.ts'
import type { Treatment, WaypointBinding } from './waypoint-binding.ts'
import { waypointKey } from './waypoint-wishes.ts'

/** Whether a service or a WorkloadEntry has the waypoint it wants, and what becomes of its connections if not. */
export function boundCondition(binding: WaypointBinding | undefined): readonly Condition[] {
  switch (binding?.kind) {
    case 'bound':
      return [condition('True', 'WaypointAccepted', boundSentences(binding))]
    case 'unbound':
      return [condition('False', binding.reason, [binding.detail, treatmentSentence(binding.treatment)])]
    default:
      return []
  }
}

/** What a ServiceEntry asks for that only a waypoint can do, while it has none. */
export function missingCondition(
  wants: EntryWants,
  binding: WaypointBinding | undefined,
): readonly Condition[] {
  if (binding?.kind === 'bound') return []
  const type = 'istio.io/WaypointMissing'
  if (wants.wildcard !== undefined) {
    const message = `only a waypoint serves the hosts of ${wants.wildcard}: without one, node proxies do not route to them`
    return [{ type, status: 'True', reason: 'NoWaypointForWildcardService', message }]
  }
  if (!wants.racing) return []
  const message = 'only a waypoint races connections: without one the first address that DNS gives is used'
  return [{ type, status: 'True', reason: 'NoWaypointForRacingConnectStrategy', message }]
}

/** Who is told of a ServiceEntry, where the mesh says anything about that. */
export function visibilityCondition(visibility: EntryVisibility): readonly Condition[] {
  const type = 'istio.io/VisibilityApplied'
  switch (visibility) {
    case 'public':
      return [{ type, status: 'True', reason: 'Public', message: 'known to every namespace' }]
    case 'namespace':
      return [{ type, status: 'True', reason: 'Namespace', message: 'known to its own namespace only' }]
    case 'none':
      return [{ type, status: 'True', reason: 'None', message: 'known to nobody' }]
  }
}

export interface EntryWants {
  /** The first of its hosts that is a wildcard. */
  readonly wildcard: string | undefined
  readonly racing: boolean
}

function boundSentences(binding: Extract<WaypointBinding, { kind: 'bound' }>): readonly string[] {
  const { waypoint, weighted, canary, ingress, canaryProblem, mixed } = binding
  return [
    `bound to waypoint ${waypointKey(waypoint)}`,
    ...(ingress === true ? ['Ingress traffic goes through it as well'] : []),
    ...(ingress === false ? ['Ingress traffic does not go through it'] : []),
    ...(canary === undefined ? [] : [`${weighted.at(-1)?.weight} % of it goes to ${waypointKey(canary)}`]),
    ...(canaryProblem === undefined ? [] : [`Its canary gets nothing: ${canaryProblem}`]),
    ...(mixed === undefined
      ? []
      : [
          `No waypoint of a service account is used, since endpoints run under several that do not have the same: ${mixed.join(', ')}`,
        ]),
  ]
}

function treatmentSentence(treatment: Treatment): string {
  if (treatment.kind === 'direct') {
    switch (treatment.because) {
      case 'no-policy':
        return 'Connections go direct; no policy is attached that this would get past'
      case 'label':
        return 'Connections go direct, as istio.io/waypoint-missing says'
      case 'not-for-workloads':
        return 'Connections go direct: a waypoint that says nothing else is for services only'
    }
  }
  if (treatment.because === 'label') return 'Connections are refused, as istio.io/waypoint-missing says'
  if (treatment.because === 'label-invalid')
    return 'Connections are refused: istio.io/waypoint-missing is neither "closed" nor "direct"'
  return `Connections are refused, since they would get past ${treatment.because.policy}`
}

function condition(status: Condition['status'], reason: string, sentences: readonly string[]): Condition {
  return { type: 'istio.io/WaypointBound', status, reason, message: sentences.join('. ') }
}
