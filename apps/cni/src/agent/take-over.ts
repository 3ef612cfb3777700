import type { NetworkNamespace } from '@ambient/linux'
import { messageOf } from '../cni-error.ts'
import type { RedirectState } from '../redirect/redirect-backend.ts'
import type { AgentDeps } from './agent-deps.ts'
import { podFields, podInfo } from './enrol-pod.ts'
import { type MeshPod, noKeptConnections, type PodState } from './mesh-pod.ts'
import { podSettings } from './pod-overrides.ts'
import type { PodView } from './pod-view.ts'
import { selectPod } from './select-pod.ts'
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
  return selectPod(pod, deps.cluster.namespaceLabels(pod.namespace), deps.selection).kind === 'enrol'
}

function wasEnrolled(pod: PodView, deps: TakeOverDeps): boolean {
  return (
    pod.annotations['ambient.istio.io/redirection'] === 'enabled' || deps.records.get(pod.uid) !== undefined
  )
}

async function lookAt(pod: PodView, netns: NetworkNamespace | undefined, deps: TakeOverDeps): Promise<Found> {
  if (netns === undefined) return { pod, held: undefined, isKnown: wasEnrolled(pod, deps) }
  const record = deps.records.get(pod.uid)
  const redirect = await inspect(pod, netns, deps)
  if (redirect.kind === 'absent') {
    netns[Symbol.dispose]()
    return { pod, held: undefined, isKnown: false }
  }
  const state = stateOf(redirect, deps)
  if (redirect.kind === 'partial')
    deps.logger.warn('redirection of a pod is not whole', {
      ...podFields(pod),
      missing: redirect.missing.join('; '),
    })
  else deps.logger.info('pod taken over', { ...podFields(pod), redirection: redirect.kind })
  const held: MeshPod = {
    uid: pod.uid,
    state,
    netns,
    containerId: record?.containerId,
    ips: pod.ips,
    kept: record?.kept ?? noKeptConnections,
    before: record?.before ?? {},
  }
  return { pod, held, isKnown: true }
}

/** A namespace that cannot be looked at is taken for one that needs repair. */
async function inspect(pod: PodView, netns: NetworkNamespace, deps: TakeOverDeps): Promise<RedirectState> {
  try {
    return await deps.backend.inspect(netns, podSettings(pod.annotations, deps.settings).settings)
  } catch (cause) {
    return { kind: 'partial', missing: [messageOf(cause)] }
  }
}

function stateOf(redirect: RedirectState, deps: TakeOverDeps): PodState {
  switch (redirect.kind) {
    case 'complete':
      return { kind: 'enrolled', sinceMs: deps.clock.nowMs() }
    case 'draining':
      return { kind: 'draining', sinceMs: deps.clock.monotonicMs(), quietPolls: 0 }
    case 'partial':
      return { kind: 'pending', cause: 'redirection is not whole' }
    case 'absent':
      return { kind: 'pending', cause: 'not redirected' }
  }
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
