import { FileResources } from '@ambient/kube'
import { type Clock, systemClock } from '@ambient/lifecycle'
import { vi } from 'vitest'
import { DEFAULT_MESH } from '../src/translate/mesh-options.ts'
import { type MeshState, meshState } from '../src/translate/mesh-state.ts'
import { feedMeshState } from '../src/watch/feed-mesh-state.ts'

/** Waits for nothing. */
export const eagerClock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(0, signal) }

/** Waits until `check` passes, longer than it ever takes on a busy machine. */
export function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

export interface Fed {
  readonly state: MeshState
  readonly resources: FileResources
  /** Ends the feeding and the work. */
  readonly ended: AbortController
}

/** A state fed from a directory of YAML, and once it is synced, `work` that runs on it until it is disposed of. */
export async function fedState(
  directory: string,
  work: (fed: Fed) => Promise<void>,
  onFault: Parameters<typeof meshState>[1] = () => {},
): Promise<Fed & AsyncDisposable> {
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const ended = new AbortController()
  const state = meshState(DEFAULT_MESH, onFault)
  const synced = Promise.withResolvers<void>()
  const feeding = feedMeshState(
    {
      source: resources,
      state,
      namespace: 'istio-system',
      clock: systemClock,
      onEvent: () => {},
      onCommitted: () => {},
      onSynced: synced.resolve,
    },
    ended.signal,
  )
  await synced.promise
  const fed: Fed = { state, resources, ended }
  const working = work(fed)
  return {
    ...fed,
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await Promise.all([feeding, working])
      await resources[Symbol.asyncDispose]()
    },
  }
}
