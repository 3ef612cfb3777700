import type { NetworkNamespace } from '@ambient/linux'
import { messageOf } from '../cni-error.ts'
import { type BackendName, backendNames, type RedirectState } from '../redirect/redirect-backend.ts'
import type { AgentDeps } from './agent-deps.ts'
import type { MeshPod, PodState } from './mesh-pod.ts'
import { podOfRecord } from './pod-records.ts'
import { podFields, podInfo } from './pod-fields.ts'
import { podSettings } from './pod-overrides.ts'
import type { PodView } from './pod-view.ts'
import type { HeldPod } from './ztunnel-link.ts'

/** What an earlier agent left, as it was found. */
export interface TakenOver {
  /** For the reconciler; it owns their namespaces then. */
  readonly pods: readonly MeshPod[]
  /** For ztunnel's first snapshot: a pod missing there loses its listeners. */
  readonly held: readonly HeldPod[]
}

export type TakeOverDeps = Omit<AgentDeps, 'ztunnels' | 'metrics' | 'annotate' | 'random'>

/**
 * Looks at every pod that is, was or should be in the mesh, and changes nothing in any of them. Neither annotation nor record is
 * believed: the rules in the pod's current namespace decide.
 */
export async function takeOver(deps: TakeOverDeps): Promise<TakenOver> {
  const wanted = deps.cluster.pods().filter((pod) => !pod.isFinished && concerns(pod, deps))
  const netnsByUid = deps.finder.scan(wanted)
  const found = await Promise.all(wanted.map((pod) => lookAt(pod, netnsByUid.get(pod.cgroupUid), deps)))
  await pruneProbeSet(
    found.flatMap(({ held }) => held ?? []),
    deps,
  )
  return {
    pods: found.flatMap(({ held }) => held ?? []),
    held: found.flatMap(({ pod, held, isKnown }) =>
      isKnown ? [{ uid: pod.uid, info: podInfo(pod), netns: held?.netns }] : [],
    ),
  }
}

interface Found {
  readonly pod: PodView
  readonly held: MeshPod | undefined
  /** Whether ztunnel may have it. */
  readonly isKnown: boolean
}

function concerns(pod: PodView, deps: TakeOverDeps): boolean {
  return isSelected(pod, deps) || wasEnrolled(pod, deps)
}

function isSelected(pod: PodView, deps: TakeOverDeps): boolean {
  return deps.cluster.wants(pod, deps.selection)
}

function wasEnrolled(pod: PodView, deps: TakeOverDeps): boolean {
  return (
    pod.annotations['ambient.istio.io/redirection'] === 'enabled' || deps.records.get(pod.uid) !== undefined
  )
}

async function lookAt(pod: PodView, netns: NetworkNamespace | undefined, deps: TakeOverDeps): Promise<Found> {
  const record = deps.records.get(pod.uid)
  if (netns === undefined) {
    // ztunnel keeps it, so somebody must remember to tell it when the pod is gone.
    const isKnown = wasEnrolled(pod, deps)
    return { pod, held: isKnown ? podOfRecord(pod.uid, record) : undefined, isKnown }
  }
  const { state: redirect, backends } = await findRules(pod, netns, deps)
  if (redirect.kind === 'absent') {
    netns[Symbol.dispose]()
    return { pod, held: undefined, isKnown: false }
  }
  if (redirect.kind === 'partial')
    deps.logger.warn('redirection of a pod is not whole', {
      ...podFields(pod),
      missing: redirect.missing.join('; '),
    })
  else
    deps.logger.info('pod taken over', {
      ...podFields(pod),
      redirection: redirect.kind,
      backends: backends.join(','),
    })
  const held: MeshPod = {
    ...podOfRecord(pod.uid, record),
    state: stateOf(redirect.kind, deps),
    netns,
    ips: pod.ips,
    backends,
    areRulesWhole: redirect.kind !== 'partial',
  }
  return { pod, held, isKnown: true }
}

interface RulesFound {
  readonly state: RedirectState
  /** Whose rules were found, those in force first. */
  readonly backends: readonly BackendName[]
}

/** How far each state is from being in force. */
const RANK: Readonly<Record<RedirectState['kind'], number>> = {
  complete: 0,
  partial: 1,
  draining: 2,
  absent: 3,
}

/** Asks the backends that may have been at work: this agent's, and those of the record; without one, all. */
async function findRules(pod: PodView, netns: NetworkNamespace, deps: TakeOverDeps): Promise<RulesFound> {
  const { chosen, byName } = deps.backends
  const recorded = deps.records.get(pod.uid)?.backends ?? []
  const others = recorded.length === 0 ? backendNames : recorded
  const { settings } = podSettings(pod.annotations, deps.settings)
  const found = await Promise.all(
    [...new Set([chosen.name, ...others])].map(async (name) => {
      try {
        return { name, state: await byName[name].inspect(netns, settings) }
      } catch (cause) {
        // One that must be able to look and cannot means repair; of another, that nobody could have used it.
        const isExpected = name === chosen.name || recorded.includes(name)
        const state: RedirectState = isExpected
          ? { kind: 'partial', missing: [messageOf(cause)] }
          : { kind: 'absent' }
        return { name, state }
      }
    }),
  )
  const there = found
    .filter(({ state }) => state.kind !== 'absent')
    .toSorted((a, b) => RANK[a.state.kind] - RANK[b.state.kind])
  return { state: there[0]?.state ?? { kind: 'absent' }, backends: there.map(({ name }) => name) }
}

/** Rules that are not whole are those of an enrolled pod: they are written again before anything else. */
function stateOf(kind: 'complete' | 'partial' | 'draining', deps: TakeOverDeps): PodState {
  return kind === 'draining'
    ? { kind: 'draining', sinceMs: deps.clock.monotonicMs(), quietPolls: 0 }
    : { kind: 'enrolled', sinceMs: deps.clock.nowMs() }
}

/** Takes out addresses of pods that are not here any more, and of others once all are known; adds what is missing. */
async function pruneProbeSet(held: readonly MeshPod[], deps: TakeOverDeps): Promise<void> {
  const wanted = new Map(
    held
      .filter(({ state }) => state.kind === 'enrolled')
      .flatMap((pod) => pod.ips.map((ip) => [ip, pod.uid] as const)),
  )
  const there = await deps.probeSet.list()
  const known = new Map(there.map(({ ip, uid }) => [ip, uid]))
  const isSettled = deps.cluster
    .pods()
    .every((pod) => pod.isFinished || pod.hostNetwork || pod.ips.length > 0)
  await deps.probeSet.remove(
    there.filter(
      ({ ip, uid }) => (deps.cluster.pod(uid) === undefined || isSettled) && wanted.get(ip) !== uid,
    ),
  )
  await deps.probeSet.add(
    [...wanted].filter(([ip, uid]) => known.get(ip) !== uid).map(([ip, uid]) => ({ ip, uid })),
  )
}
