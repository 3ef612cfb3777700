import type { NetworkNamespace } from '@ambient/linux'
import { messageOf } from '../cni-error.ts'
import type { HostProbe } from '../redirect/host-probe.ts'
import type { RedirectWatch } from '../redirect/redirect-backend.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import type { PodReconciler } from './pod-reconciler.ts'

export interface WatchRulesDeps extends Pick<AgentDeps, 'backends' | 'clock' | 'logger' | 'metrics'> {
  readonly reconciler: Pick<PodReconciler, 'pods' | 'verify' | 'restoreAddresses'>
  readonly probe: HostProbe
}

/**
 * Asks again and again whether anybody changed rules or routes of an enrolled pod or of the node, and has only those looked at:
 * the kernel tells, so that nothing is listed while nothing changes. Runs until `signal` aborts.
 */
async function watchRules(deps: WatchRulesDeps, signal: AbortSignal): Promise<void> {
  using pods = new PodWatches(deps)
  using host = deps.probe.watch()
  while (!signal.aborted) {
    await deps.clock.sleep(cniLimits.verifyMs, signal).catch(() => {}) // rejects only when it is to end
    if (signal.aborted) return
    for (const uid of pods.changed())
      await deps.reconciler.verify(uid).catch((cause: unknown) => report(cause, deps))
    await verifyHost(host, deps).catch((cause: unknown) => report(cause, deps))
  }
}

/**
 * The same, until it is told to stop.
 *
 * @returns Ends it; settles when it will write nothing any more, which must be before rules are taken away.
 */
export function startRuleWatch(
  deps: WatchRulesDeps,
  signal: AbortSignal,
  onFailure: (cause: unknown) => void,
): () => Promise<void> {
  const end = new AbortController()
  const watching = watchRules(deps, AbortSignal.any([signal, end.signal]))
  watching.catch(onFailure)
  return () => {
    end.abort()
    return watching
  }
}

interface Watched {
  readonly netns: NetworkNamespace
  readonly watch: RedirectWatch
}

class PodWatches implements Disposable {
  readonly #deps: WatchRulesDeps
  readonly #byUid = new Map<string, Watched>()

  constructor(deps: WatchRulesDeps) {
    this.#deps = deps
  }

  /** The enrolled pods in which something changed; one that is seen for the first time is among them. */
  changed(): readonly string[] {
    const enrolled = this.#deps.reconciler.pods
      .all()
      .flatMap(({ uid, netns, state }) =>
        netns === undefined || state.kind !== 'enrolled' ? [] : [{ uid, netns }],
      )
    const there = new Map(enrolled.map(({ uid, netns }) => [uid, netns]))
    for (const [uid, { netns, watch }] of this.#byUid) {
      if (there.get(uid) === netns) continue
      watch[Symbol.dispose]()
      this.#byUid.delete(uid)
    }
    this.#deps.metrics.set('ambient_cni_rules_watched', enrolled.length)
    return enrolled.filter(({ uid, netns }) => this.#hasChanged(uid, netns)).map(({ uid }) => uid)
  }

  [Symbol.dispose](): void {
    for (const { watch } of this.#byUid.values()) watch[Symbol.dispose]()
    this.#byUid.clear()
  }

  #hasChanged(uid: string, netns: NetworkNamespace): boolean {
    try {
      const known = this.#byUid.get(uid)
      if (known !== undefined) return known.watch.take()
      this.#byUid.set(uid, { netns, watch: this.#deps.backends.chosen.watch(netns) })
    } catch (cause) {
      report(cause, this.#deps) // no descriptor left: the pod is looked at without being told
    }
    return true
  }
}

/** What the set of addresses must hold is asked each time: nothing tells of a change to it, and one look a node is cheap. */
async function verifyHost(host: RedirectWatch, deps: WatchRulesDeps): Promise<void> {
  const { probe, logger, metrics } = deps
  if (host.take() && (await probe.ensure())) {
    metrics.add('ambient_cni_rules_rewritten_total', 1, ['repaired'])
    logger.warn('somebody changed the rules of the node for probes; they are there again')
  }
  const there = new Map((await probe.list()).map(({ ip, uid }) => [ip, uid]))
  const incomplete = deps.reconciler.pods
    .all()
    .filter(({ state, uid, ips }) => state.kind === 'enrolled' && ips.some((ip) => there.get(ip) !== uid))
  for (const { uid, ips } of incomplete) {
    // On its way out of the mesh it is none of ours any more.
    if (await deps.reconciler.restoreAddresses(uid))
      logger.warn('an address of a pod was missing in the set for probes; it is there again', {
        uid,
        ips: ips.join(','),
      })
  }
}

function report(cause: unknown, { logger }: WatchRulesDeps): void {
  logger.warn('cannot verify rules; tried again', { error: messageOf(cause) })
}
