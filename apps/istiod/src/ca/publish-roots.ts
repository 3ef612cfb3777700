import type { ObjectRef, ResourceSource, ResourceWriter } from '@ambient/kube'
import { Backoff, type Clock, type Random } from '@ambient/lifecycle'
import type { RootPlace } from './root-place.ts'

export interface PublishRootsDeps {
  readonly place: RootPlace
  readonly source: Pick<ResourceSource, 'watch'>
  readonly writer: Pick<ResourceWriter, 'apply'>
  readonly clock: Clock
  readonly random: Random
  /** Settles when what the place is to hold is something else than now. */
  readonly changed: () => Promise<unknown>
  readonly onWritten: (ref: ObjectRef) => void
  readonly onFailure: (ref: ObjectRef, cause: unknown) => void
}

const BACKOFF = { firstMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 } as const

/**
 * Keeps the objects of a place as they should be, until `signal` aborts. Level-triggered: an object that comes, that
 * somebody changes or takes away, and new roots all lead to the same look.
 */
export async function publishRoots(deps: PublishRootsDeps, signal: AbortSignal): Promise<void> {
  const { place } = deps
  let wake = Promise.withResolvers<void>()
  const follow = async ({ kind, options }: RootPlace['watches'][number]): Promise<void> => {
    for await (const event of deps.source.watch(kind, signal, options)) {
      if (event.type === 'synced') wake.resolve()
      else if (place.take(event.object, event.type === 'deleted')) wake.resolve()
    }
  }
  const following = Promise.all(place.watches.map(follow))
  const backoff = new Backoff(BACKOFF, deps.random)
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  let changed = deps.changed()
  while (!signal.aborted) {
    await Promise.race([wake.promise, changed, ended])
    wake = Promise.withResolvers()
    changed = deps.changed() // of what is written now: another that comes meanwhile is seen
    if (await writeMissing(deps, signal)) backoff.reset()
    else if (!signal.aborted) {
      await deps.clock.sleep(backoff.nextMs(), signal).catch(() => {}) // rejects only when it is to end
      wake.resolve()
    }
  }
  await following
}

/** @returns whether everything is written of what there was when it began. */
async function writeMissing(
  { place, writer, onWritten, onFailure }: PublishRootsDeps,
  signal: AbortSignal,
): Promise<boolean> {
  let isWhole = true
  for (const write of place.missing()) {
    if (signal.aborted) return false
    const { kind, metadata } = write.object
    const { name, namespace } = metadata
    const ref = { kind, name, ...(namespace === undefined ? {} : { namespace }) }
    try {
      await writer.apply(write.object, { owner: place.owner })
      write.onWritten()
      onWritten(ref)
    } catch (cause) {
      isWhole = false
      onFailure(ref, cause)
    }
  }
  return isWhole
}
