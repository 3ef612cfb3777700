import type { Clock } from '@ambient/lifecycle'
import { KUBE_LIMITS } from './limits.ts'
import type { LeaseAnswer, ResourceWriter } from './resource-source.ts'

export interface LeadershipTimes {
  /** How long a lease holds that is not renewed. */
  readonly leaseMs: number
  /** How long after the last renewal that worked a leader stops to lead; well before others may begin. */
  readonly giveUpMs: number
  /** Between attempts to take or renew the lease. */
  readonly retryMs: number
}

export interface LeadershipDeps {
  readonly writer: Pick<ResourceWriter, 'lease'>
  readonly clock: Clock
  /** What is led, such as `istio-status-leader`. */
  readonly name: string
  /** Who leads; another name for every process. */
  readonly holder: string
  /** Told when this process begins to lead, and when it has stopped. */
  readonly onChange: (isLeading: boolean) => void
  /** Told of each attempt that failed; the next follows by itself. */
  readonly onFailure: (cause: unknown) => void
  readonly times?: LeadershipTimes
}

const DEFAULT_TIMES: LeadershipTimes = {
  leaseMs: KUBE_LIMITS.leaseMs.value,
  giveUpMs: KUBE_LIMITS.leaseGiveUpMs.value,
  retryMs: KUBE_LIMITS.leaseRetryMs.value,
}

/**
 * Runs `lead` whenever this process holds the lease, until `signal` aborts; then gives the lease up, so that another
 * can take over at once. Of all processes that share the lease at most one leads at a time.
 *
 * @param lead Ends without an error when its signal aborts: the lease is lost, or everything ends.
 * @throws what `lead` throws.
 */
export async function runAsLeader(
  deps: LeadershipDeps,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { retryMs } = timesOf(deps)
  while (!signal.aborted) {
    if ((await tryLease(deps)) === 'held') await leadTerm(deps, lead, signal)
    await deps.clock.sleep(retryMs, signal).catch(() => {}) // rejects only when it is to end
  }
}

async function leadTerm(
  deps: LeadershipDeps,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const lost = new AbortController()
  const end = (): void => lost.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  deps.onChange(true)
  const leading = lead(lost.signal).finally(end)
  try {
    await Promise.all([leading, renewUntilLost(deps, lost)])
  } finally {
    end()
    await leading.catch(() => {}) // thrown already
    signal.removeEventListener('abort', end)
    deps.onChange(false)
    await release(deps)
  }
}

async function renewUntilLost(deps: LeadershipDeps, lost: AbortController): Promise<void> {
  let watchdog = startWatchdog(deps, lost)
  for (;;) {
    await deps.clock.sleep(timesOf(deps).retryMs, lost.signal).catch(() => {}) // rejects only when it is to end
    if (lost.signal.aborted) break
    const outcome = await tryLease(deps)
    if (outcome === 'taken') lost.abort()
    if (outcome !== 'held') continue
    watchdog.abort()
    watchdog = startWatchdog(deps, lost)
  }
  watchdog.abort()
}

/** Ends `lost` in a while, unless it is ended itself before: an attempt to renew may hang. */
function startWatchdog(deps: LeadershipDeps, lost: AbortController): AbortController {
  const watchdog = new AbortController()
  void deps.clock.sleep(timesOf(deps).giveUpMs, watchdog.signal).then(
    () => lost.abort(),
    () => {}, // renewed in time
  )
  return watchdog
}

async function tryLease(deps: LeadershipDeps): Promise<'held' | 'taken' | 'failed'> {
  try {
    const answer = await ask(deps, timesOf(deps).leaseMs)
    return answer.kind === 'held' ? 'held' : 'taken'
  } catch (cause) {
    deps.onFailure(cause)
    return 'failed'
  }
}

async function release(deps: LeadershipDeps): Promise<void> {
  await ask(deps, 0).catch(deps.onFailure)
}

function ask({ writer, name, holder }: LeadershipDeps, durationMs: number): Promise<LeaseAnswer> {
  return writer.lease(name, { holder, durationMs })
}

function timesOf(deps: LeadershipDeps): LeadershipTimes {
  return deps.times ?? DEFAULT_TIMES
}
