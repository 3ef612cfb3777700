import { type KindName, type KubeObject, objectKey, type ResourceSource } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { watchedKinds } from '../translate/mesh-inputs.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { ChangeBatcher } from './change-batcher.ts'

export interface FeedDeps {
  readonly source: ResourceSource
  readonly state: MeshState
  /** Where istiod runs: of config maps, only those of this namespace are read. */
  readonly namespace: string
  readonly clock: Clock
  /** Told of each event, for the metrics. */
  readonly onEvent: (kind: KindName, event: 'added' | 'modified' | 'deleted') => void
  /** Told when a batch of events is in the state and everything derived from it is worked out. */
  readonly onCommitted: () => void
  /** Once: everything there was at the start is in the state, and everything derived from it is worked out. */
  readonly onSynced: () => void
}

interface ObjectChange {
  readonly kind: KindName
  readonly key: string
  /** Undefined when it is gone. */
  readonly object: KubeObject | undefined
}

const WINDOW_MS = 10

/** Keeps the state equal to the source until `signal` aborts. Nothing of it counts before all of it is there. */
export async function feedMeshState(deps: FeedDeps, signal: AbortSignal): Promise<void> {
  const { state } = deps
  using batcher = new ChangeBatcher<ObjectChange>({
    clock: deps.clock,
    windowMs: WINDOW_MS,
    commit: (changes) => {
      state.graph.transaction(() => changes.forEach((change) => applyChange(state, change)))
      deps.onCommitted()
    },
  })
  const waiting = new Set(watchedKinds)
  const follow = async (kind: KindName): Promise<void> => {
    const options = kind === 'ConfigMap' ? { namespace: deps.namespace } : {}
    for await (const event of deps.source.watch(kind, signal, options)) {
      if (event.type === 'synced') {
        waiting.delete(kind)
        if (waiting.size > 0) continue
        batcher.release()
        deps.onSynced()
        continue
      }
      const key = objectKey(event.object.metadata)
      deps.onEvent(kind, event.type)
      batcher.add(`${kind} ${key}`, {
        kind,
        key,
        object: event.type === 'deleted' ? undefined : event.object,
      })
    }
  }
  await Promise.all(watchedKinds.map(follow))
}

function applyChange(state: MeshState, { kind, key, object }: ObjectChange): void {
  const input = state.inputs.get(kind)
  if (object === undefined) input?.delete(key)
  else input?.set(key, object)
}
