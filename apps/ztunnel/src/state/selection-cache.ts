import type { Workload } from '@ambient/model'
import { SNAPSHOT_LIMITS } from './snapshot-limits.ts'

/** Endpoints that a connection may be given to, with their weights summed up for a draw. */
export interface Candidates {
  readonly workloads: readonly Workload[]
  /** Running sums of capacity; the last one is the total. */
  readonly sums: readonly number[]
}

/**
 * What was worked out for one service: per port and, where it matters, per place of the client. All clients of one node
 * are in one place, so that a connection costs a lookup and a draw, not a pass over every endpoint.
 */
export class SelectionCache {
  readonly #known = new Map<string, Candidates>()

  get(key: string, make: () => readonly Workload[]): Candidates {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= SNAPSHOT_LIMITS.selectionsPerService.value) this.#known.clear()
    const candidates = weigh(make())
    this.#known.set(key, candidates)
    return candidates
  }

  clear(): void {
    this.#known.clear()
  }
}

export function weigh(workloads: readonly Workload[]): Candidates {
  let total = 0
  return { workloads, sums: workloads.map((workload) => (total += workload.capacity)) }
}
