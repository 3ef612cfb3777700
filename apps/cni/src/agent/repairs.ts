import type { Clock } from '@ambient/lifecycle'
import type { Logger, Metrics } from '@ambient/telemetry'
import { CniError, messageOf } from '../cni-error.ts'
import { Budget } from './budget.ts'
import { cniLimits } from './cni-limits.ts'
import type { PodActions, PodEventReason } from './pod-events.ts'
import { podFields } from './pod-fields.ts'
import type { PodView } from './pod-view.ts'
import type { RepairOptions } from './repair-options.ts'

export interface RepairsDeps {
  readonly actions: PodActions
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * What is done about a pod that is said to be in the mesh, and so is spoken to as if it were, while nothing in its namespace
 * redirects anything: its sandbox was made anew without the plugin, or a node came back without it.
 */
export class Repairs {
  readonly #options: RepairOptions
  readonly #deps: RepairsDeps
  readonly #budget: Budget
  /** Pods whose repair was announced and is not over. */
  readonly #announced = new Set<string>()

  constructor(options: RepairOptions, deps: RepairsDeps) {
    this.#options = options
    this.#deps = deps
    const { repairBurst, repairRefillMs } = cniLimits
    this.#budget = new Budget(repairBurst, repairRefillMs, deps.clock.monotonicMs())
  }

  /**
   * Does what is configured.
   *
   * @param enrol Brings the pod into the mesh as it is; called for the action `repair` alone.
   * @returns whether it is in the mesh now; `left` when it is for others to act
   * @throws {CniError} `REPAIR_POSTPONED` when too many pods were deleted or labelled lately, or what `enrol` throws
   */
  async handle(pod: PodView, enrol: () => Promise<void>): Promise<'enrolled' | 'left'> {
    const { action } = this.#options
    if (action === 'repair') {
      await this.#enrol(pod, enrol)
      return 'enrolled'
    }
    if (action !== 'event' && !this.#budget.take(this.#deps.clock.monotonicMs())) {
      this.#count(action, 'skip')
      throw new CniError('REPAIR_POSTPONED', `Too many pods would have to be repaired at once by ${action}`)
    }
    await this.#say(pod, 'NotInMesh', `is said to be in the mesh and is not; action: ${action}`)
    try {
      if (action === 'delete') await this.#deps.actions.delete(pod)
      if (action === 'label')
        await this.#deps.actions.label(pod, this.#options.label.key, this.#options.label.value)
    } catch (cause) {
      this.#count(action, 'fail')
      throw cause
    }
    this.#count(action, 'success')
    return 'left'
  }

  async #enrol(pod: PodView, enrol: () => Promise<void>): Promise<void> {
    if (!this.#announced.has(pod.uid)) {
      this.#announced.add(pod.uid)
      await this.#say(pod, 'NotInMesh', 'is said to be in the mesh and is not; it is enrolled as it is')
    }
    try {
      await enrol()
    } catch (cause) {
      this.#count('repair', 'fail')
      throw cause
    }
    this.#announced.delete(pod.uid)
    this.#count('repair', 'success')
    await this.#say(pod, 'MeshRepaired', 'is in the mesh again; what it did until now was not')
  }

  /** The event is for people: that it cannot be written changes nothing else. */
  async #say(pod: PodView, reason: PodEventReason, message: string): Promise<void> {
    this.#deps.logger.warn(`pod ${message}`, podFields(pod))
    try {
      await this.#deps.actions.event(pod, reason, `Pod ${message}`)
    } catch (cause) {
      this.#deps.logger.warn('cannot write event', { ...podFields(pod), error: messageOf(cause) })
    }
  }

  #count(type: RepairOptions['action'], result: 'success' | 'skip' | 'fail'): void {
    this.#deps.metrics.add('istio_cni_repair_pods_repaired_total', 1, [type, result])
  }
}
