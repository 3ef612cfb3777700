import type { PodState } from './mesh-pod.ts'

export interface PodSituation {
  /** `gone`: deleted, or finished for ever. */
  readonly presence: 'gone' | 'waiting-for-ip' | 'running'
  readonly isSelected: boolean
  readonly annotation: string | undefined
  readonly state: PodState | undefined
  /** Whether host set and reality agree on the pod's addresses. */
  readonly areIpsKnown: boolean
  /** Whether its rules are all there and by the backend that this agent uses. */
  readonly areRulesRight: boolean
  /** Whether an earlier agent left a record of it. */
  readonly hasRecord: boolean
}

/** One step; the next look decides again. */
export type PodStep =
  | 'none'
  | 'enrol'
  | 'renew-rules'
  | 'refresh'
  | 'start-draining'
  | 'go-on-draining'
  | 'forget'
  | 'clean-annotation'

/** What to do next about one pod, from what should be and what is. Pure. */
export function planPod(situation: PodSituation): PodStep {
  const { presence, isSelected, state } = situation
  if (presence === 'gone') return state === undefined && !situation.hasRecord ? 'none' : 'forget'
  if (state?.kind === 'detached') return 'none'
  return isSelected ? planSelected(situation) : planUnselected(situation)
}

function planSelected(situation: PodSituation): PodStep {
  const { presence, state, annotation, areIpsKnown } = situation
  if (state?.kind === 'broken' && annotation === 'enabled') return 'none'
  if (state?.kind === 'enrolled' && !situation.areRulesRight) return 'renew-rules'
  if (state?.kind === 'enrolled') return annotation === 'enabled' && areIpsKnown ? 'none' : 'refresh'
  return presence === 'running' ? 'enrol' : 'none' // before it has an address only the runtime can name its netns
}

function planUnselected({ state, annotation, hasRecord, presence }: PodSituation): PodStep {
  if (state?.kind === 'draining') return 'go-on-draining'
  if (state !== undefined) return 'start-draining'
  if (annotation === undefined && !hasRecord) return 'none'
  return presence === 'running' ? 'start-draining' : 'clean-annotation'
}
