import type { Workload } from '@ambient/model'
import type { Wait } from './identity-store.ts'
import type { PodInfo } from './messages.ts'

export interface WorkloadWaitsDeps {
  readonly find: (info: PodInfo) => Workload | undefined
  readonly after: (delayMs: number, fire: () => void) => Wait
  readonly waitMs: number
}

interface Waiter {
  readonly info: PodInfo
  readonly use: (workload: Workload | undefined) => void
  readonly timer: Wait
}

const NO_WAIT: Wait = { cancel: () => {} }

/** Connections of pods that the control plane has not named yet. They wait at most `waitMs`, then get `undefined`. */
export class WorkloadWaits {
  readonly #deps: WorkloadWaitsDeps
  readonly #waiting = new Set<Waiter>()

  constructor(deps: WorkloadWaitsDeps) {
    this.#deps = deps
  }

  withWorkload(info: PodInfo, use: (workload: Workload | undefined) => void): Wait {
    const known = this.#deps.find(info)
    if (known !== undefined) {
      use(known)
      return NO_WAIT
    }
    const leave = (): void => {
      waiter.timer.cancel()
      this.#waiting.delete(waiter)
    }
    const timer = this.#deps.after(this.#deps.waitMs, () => {
      leave()
      use(undefined)
    })
    const waiter: Waiter = { info, use, timer }
    this.#waiting.add(waiter)
    return { cancel: leave }
  }

  /** Call after each change of the mesh's workloads. */
  recheck(): void {
    for (const waiter of this.#waiting) {
      const workload = this.#deps.find(waiter.info)
      if (workload === undefined) continue
      waiter.timer.cancel()
      this.#waiting.delete(waiter)
      waiter.use(workload)
    }
  }
}
