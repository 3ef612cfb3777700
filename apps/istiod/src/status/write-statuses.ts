import {
  describeRef,
  KubeError,
  type KubeObject,
  objectKey,
  type ObjectRef,
  refOf,
  type ResourceWriter,
} from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import type { FieldManager } from '../translate/conditions.ts'
import type { StatusState } from '../translate/status-state.ts'
import { planStatus, type StatusWrite, type WrittenCondition } from './plan-status.ts'
import { STATUS_LIMITS } from './status-limits.ts'

export interface StatusDeps {
  readonly state: StatusState
  readonly writer: Pick<ResourceWriter, 'applyStatus'>
  readonly clock: Clock
  readonly onWrite: (outcome: WriteOutcome) => void
}

/** What became of one attempt to write; `given-up` is one that failed and is not tried again by itself. */
export type WriteOutcome =
  | { readonly kind: 'written'; readonly ref: ObjectRef }
  | { readonly kind: 'failed' | 'given-up'; readonly ref: ObjectRef; readonly cause: unknown }

type Written = ReadonlyMap<FieldManager, readonly WrittenCondition[]>

/**
 * Writes the conditions of every object until `signal` aborts, one write at a time. Level-triggered: it looks at
 * everything at the start, so that nothing is missed that changed while another was writing. What has been written is
 * not written again, whatever else changes.
 */
export async function writeStatuses(deps: StatusDeps, signal: AbortSignal): Promise<void> {
  using queue = new StatusQueue(deps.state)
  const onAbort = (): void => queue.wake()
  signal.addEventListener('abort', onAbort)
  const writer = new StatusWriter(deps, (ref, delayMs) => {
    deps.clock.sleep(delayMs, signal).then(
      () => queue.mark(ref),
      () => {}, // rejects only when it is to end
    )
  })
  try {
    while (!signal.aborted) {
      for (const ref of queue.take()) if (!signal.aborted) await writer.settle(ref)
      await queue.changed()
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The objects whose status may not be what it should: no more than there are objects. */
class StatusQueue implements Disposable {
  readonly #dirty = new Map<string, ObjectRef>()
  readonly #stops: (() => void)[] = []
  #wake = Promise.withResolvers<void>()

  constructor({ objects, conditions }: StatusState) {
    const markObject = (object: KubeObject | undefined): void =>
      object === undefined ? undefined : this.mark(refOf(object))
    for (const ofKind of objects.values()) {
      for (const [, object] of ofKind.entries()) markObject(object)
      this.#stops.push(
        ofKind.onChange((changes) => changes.forEach(({ before, after }) => markObject(after ?? before))),
      )
    }
    this.#stops.push(
      conditions.onChange((changes) =>
        changes.forEach(({ before, after }) => {
          const ref = (after ?? before)?.ref
          if (ref !== undefined) this.mark(ref)
        }),
      ),
    )
  }

  mark(ref: ObjectRef): void {
    this.#dirty.set(describeRef(ref), ref)
    this.wake()
  }

  wake(): void {
    this.#wake.resolve()
  }

  take(): readonly ObjectRef[] {
    const taken = [...this.#dirty.values()]
    this.#dirty.clear()
    return taken
  }

  /** Resolves when something has been marked, or at once when something was since the last call. */
  async changed(): Promise<void> {
    await this.#wake.promise
    this.#wake = Promise.withResolvers()
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop()
  }
}

/** Brings one object's status after another to what it should be. */
class StatusWriter {
  readonly #deps: StatusDeps
  readonly #retry: (ref: ObjectRef, delayMs: number) => void
  readonly #failures = new Map<string, number>()
  /** What was written to objects that are still read as they were before. */
  readonly #written = new Map<string, { readonly resourceVersion: string; readonly by: Written }>()

  constructor(deps: StatusDeps, retry: (ref: ObjectRef, delayMs: number) => void) {
    this.#deps = deps
    this.#retry = retry
  }

  async settle(ref: ObjectRef): Promise<void> {
    const { state, clock } = this.#deps
    const key = describeRef(ref)
    const object = state.objects.get(ref.kind)?.get(objectKey(ref))
    if (object === undefined) {
      this.#written.delete(key)
      this.#failures.delete(key)
      return
    }
    const observed = { object, written: this.#writtenTo(object) }
    for (const write of planStatus(observed, state.byObject.find(key), clock.nowMs())) {
      if (!(await this.#write(object, write))) return
    }
    this.#failures.delete(key)
  }

  /** @returns whether it was written. */
  async #write(object: KubeObject, { manager, conditions }: StatusWrite): Promise<boolean> {
    const ref = refOf(object)
    const status = conditions.length === 0 ? {} : { conditions }
    try {
      await this.#deps.writer.applyStatus(ref, status, { owner: manager })
    } catch (cause) {
      this.#fail(ref, cause)
      return false
    }
    const { resourceVersion } = object.metadata
    const by = new Map([...this.#writtenTo(object), [manager, conditions]])
    this.#written.set(describeRef(ref), { resourceVersion, by })
    this.#deps.onWrite({ kind: 'written', ref })
    return true
  }

  #fail(ref: ObjectRef, cause: unknown): void {
    if (cause instanceof KubeError && isGone(cause)) return // its end, or its next incarnation, is on its way here
    const key = describeRef(ref)
    const failures = (this.#failures.get(key) ?? 0) + 1
    const isLast = failures >= STATUS_LIMITS.attempts.value
    this.#deps.onWrite({ kind: isLast ? 'given-up' : 'failed', ref, cause })
    if (isLast) this.#failures.delete(key)
    else {
      this.#failures.set(key, failures)
      this.#retry(ref, STATUS_LIMITS.retryMs.value * 2 ** (failures - 1))
    }
  }

  #writtenTo(object: KubeObject): Written {
    const written = this.#written.get(describeRef(refOf(object)))
    return written?.resourceVersion === object.metadata.resourceVersion ? written.by : new Map()
  }
}

function isGone({ code }: KubeError): boolean {
  return code === 'OBJECT_NOT_FOUND' || code === 'OBJECT_REPLACED'
}
