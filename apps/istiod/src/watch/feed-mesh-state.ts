import type { InputCollection } from '@ambient/collections'
import { type KindName, type KubeObject, objectKey, type ResourceSource } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { clusterPrefix, remoteKinds } from '../translate/mesh-inputs.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { ChangeBatcher } from './change-batcher.ts'

export interface FeedDeps {
  readonly source: ResourceSource
  readonly state: MeshState
  /** The source's cluster, when it is another one of the mesh than ours; then fewer kinds of it count. */
  readonly cluster?: string
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
  readonly input: InputCollection<KubeObject>
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
      state.graph.transaction(() => changes.forEach(applyChange))
      deps.onCommitted()
    },
  })
  const inputs = inputsOf(deps)
  const waiting = new Set(inputs.keys())
  const prefix = deps.cluster === undefined ? '' : clusterPrefix(deps.cluster)
  const follow = async ([kind, input]: readonly [KindName, ObjectChange['input']]): Promise<void> => {
    const options = kind === 'ConfigMap' ? { namespace: deps.namespace } : {}
    for await (const event of deps.source.watch(kind, signal, options)) {
      if (event.type === 'synced') {
        waiting.delete(kind)
        if (waiting.size > 0) continue
        batcher.release()
        deps.onSynced()
        continue
      }
      const key = `${prefix}${objectKey(event.object.metadata)}`
      deps.onEvent(kind, event.type)
      batcher.add(`${kind} ${key}`, {
        input,
        key,
        object: event.type === 'deleted' ? undefined : event.object,
      })
    }
  }
  await Promise.all([...inputs].map(follow))
}

function inputsOf({ state, cluster }: FeedDeps): ReadonlyMap<KindName, ObjectChange['input']> {
  if (cluster === undefined) return state.inputs
  return new Map(remoteKinds.map((kind) => [kind, state.remoteInputs[kind]]))
}

function applyChange({ input, key, object }: ObjectChange): void {
  if (object === undefined) input.delete(key)
  else input.set(key, object)
}
