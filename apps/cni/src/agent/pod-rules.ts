import type { NetworkNamespace } from '@ambient/linux'
import type { PodAge } from '../redirect/redirect-backend.ts'
import { describeConnection, type TcpConnection } from '../redirect/tcp-connections.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import { type KeptConnections, type MeshPod, noKeptConnections } from './mesh-pod.ts'
import { podFields } from './pod-fields.ts'
import { nameConnections, resetRefused } from './plaintext-connections.ts'
import { podSettings } from './pod-overrides.ts'
import type { PodView } from './pod-view.ts'

/** What is held of a pod's rules. */
export type PodRules = Pick<MeshPod, 'backends' | 'areRulesWhole' | 'kept' | 'before'>

export interface RulesRequest {
  readonly pod: PodView
  readonly netns: NetworkNamespace
  readonly age: PodAge
  readonly containerId: string | undefined
  readonly earlier?: Omit<PodRules, 'areRulesWhole'> | undefined
}

const nothingBefore: Omit<PodRules, 'areRulesWhole'> = { backends: [], kept: noKeptConnections, before: {} }

type RulesDeps = Pick<
  AgentDeps,
  'backends' | 'settings' | 'records' | 'mutualTls' | 'outside' | 'logger' | 'metrics'
>

/**
 * Makes the pod's rules whole in the backend of this agent, and only then takes those of another away, so that no connection
 * meets a moment without. The record names every backend that may have rules there, before the first one is written.
 *
 * @throws {CniError} `RULES_…` or `PLATFORM_UNSUPPORTED`; what was done until then stays, and may be done again.
 */
export async function writeRules(request: RulesRequest, deps: RulesDeps): Promise<PodRules> {
  const { pod, netns, age, containerId, earlier = nothingBefore } = request
  const { settings, warnings } = podSettings(pod.annotations, deps.settings)
  for (const warning of warnings) deps.logger.warn(warning, podFields(pod))
  const { chosen, byName } = deps.backends
  const others = earlier.backends.filter((name) => name !== chosen.name)
  if (others.length > 0)
    deps.records.save({ ...earlier, uid: pod.uid, containerId, backends: [...others, chosen.name] })
  const applied = await chosen.apply(netns, settings, age)
  for (const name of others) await byName[name].withdraw(netns)
  const before = { ...applied.before, ...earlier.before }
  const rules = { backends: [chosen.name], areRulesWhole: true, before }
  if (applied.kept === undefined) return { ...rules, kept: earlier.kept }
  const left = resetRefused(applied.kept, { pod, netns }, deps) // only now: who comes back at once is redirected
  reportKept(left, earlier.kept, { pod, deps })
  return { ...rules, kept: nameConnections(left) }
}

/** Writes the rules of an enrolled pod again: by another backend than before, or because somebody removed some. ztunnel is not asked. */
export async function renewRules(held: MeshPod, pod: PodView, deps: RulesDeps): Promise<MeshPod> {
  const { netns, containerId, backends } = held
  if (netns === undefined) return held
  const rules = await writeRules({ pod, netns, containerId, age: 'enrolled', earlier: held }, deps)
  const after = { ...held, ...rules }
  deps.records.save(after)
  const reason = held.areRulesWhole ? 'moved' : 'repaired'
  deps.metrics.add('ambient_cni_rules_rewritten_total', 1, [reason])
  deps.logger.info(`redirect rules of a pod ${reason}`, {
    ...podFields(pod),
    from: backends.join(','),
    to: rules.backends.join(','),
  })
  return after
}

/** Looks whether the rules of an enrolled pod are as they must be, and changes nothing. */
export async function verifyRules(held: MeshPod, pod: PodView, deps: RulesDeps): Promise<MeshPod> {
  const [name] = held.backends
  if (held.netns === undefined || name === undefined) return held
  const { settings } = podSettings(pod.annotations, deps.settings)
  const state = await deps.backends.byName[name].inspect(held.netns, settings)
  if (state.kind === 'complete') return held
  deps.logger.warn('somebody changed the redirect rules of a pod', {
    ...podFields(pod),
    missing: state.kind === 'partial' ? state.missing.join('; ') : `redirection is ${state.kind}`,
  })
  return { ...held, areRulesWhole: false }
}

function reportKept(
  kept: readonly TcpConnection[],
  known: KeptConnections,
  { pod, deps }: { readonly pod: PodView; readonly deps: RulesDeps },
): void {
  const fresh = kept.map(describeConnection).filter((name) => !known.names.includes(name))
  deps.metrics.add('ambient_cni_kept_connections_total', fresh.length)
  for (const connection of fresh.slice(0, cniLimits.keptNames))
    deps.logger.info('connection stays outside the mesh until it closes', { ...podFields(pod), connection })
}
