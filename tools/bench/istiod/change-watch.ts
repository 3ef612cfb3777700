import type { DeltaResponse } from '@ambient/xds-proto'
import { decodeWireAddress } from '@ambient/xds-proto'

/** Follows changes from when they were made until each subscriber has them. Times are those of one process. */
export class ChangeWatch {
  readonly #subscribers: number
  /** Of each workload, the changes that some subscriber has not seen. */
  readonly #pending = new Map<string, Pending[]>()
  readonly latenciesMs: number[] = []

  constructor(subscribers: number) {
    this.#subscribers = subscribers
  }

  /** Whether every subscriber has seen everything about this workload. */
  isSeen(uid: string): boolean {
    return !this.#pending.has(uid)
  }

  /**
   * Ends the watch of what is pending, once everything must have been seen.
   *
   * @returns How many changes nobody was told of, since a later one of the same workload took their place.
   * @throws {Error} when only some were told.
   */
  settle(): number {
    const left = [...this.#pending.values()].flat()
    this.#pending.clear()
    const lost = left.filter(({ seenBy }) => seenBy.size > 0)
    if (lost.length > 0) throw new Error(`${lost.length} changes reached some subscribers and not all`)
    return left.length
  }

  /** @param revision What the workload says after the change; undefined when it is gone. */
  made(uid: string, revision: string | undefined): void {
    const changes = this.#pending.get(uid) ?? []
    changes.push({ revision, madeAtMs: performance.now(), seenBy: new Set() })
    this.#pending.set(uid, changes)
  }

  /** A response may come late and hold a later change only: the ones before it are then seen as well. */
  seen(subscriber: number, { resources, removed }: DeltaResponse, atMs: number): void {
    for (const { name, bytes } of resources) {
      if (!this.#pending.has(name)) continue
      const { workload } = decodeWireAddress(bytes)
      this.#resolve(name, { revision: workload?.canonicalRevision ?? '', subscriber, atMs })
    }
    for (const name of removed) this.#resolve(name, { revision: undefined, subscriber, atMs })
  }

  #resolve(
    uid: string,
    seen: { readonly revision: string | undefined; readonly subscriber: number; readonly atMs: number },
  ): void {
    const changes = this.#pending.get(uid) ?? []
    const index = changes.findLastIndex(({ revision }) => revision === seen.revision)
    for (const change of changes.slice(0, index + 1)) {
      if (change.seenBy.has(seen.subscriber)) continue
      change.seenBy.add(seen.subscriber)
      this.latenciesMs.push(seen.atMs - change.madeAtMs)
    }
    const left = changes.filter(({ seenBy }) => seenBy.size < this.#subscribers)
    if (left.length === 0) this.#pending.delete(uid)
    else this.#pending.set(uid, left)
  }
}

interface Pending {
  readonly revision: string | undefined
  readonly madeAtMs: number
  readonly seenBy: Set<number>
}

/** The smallest value that a share of all is not above. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
