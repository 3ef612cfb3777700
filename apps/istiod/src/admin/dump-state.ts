import type { FileProblem } from '@ambient/kube'
import type { MeshState } from '../translate/mesh-state.ts'

/** Everything that is sent to node proxies, and what is wrong with the objects it was made from. */
export function dumpState(state: MeshState, problems: readonly FileProblem[]): object {
  return {
    addresses: sorted(state.addresses.entries()),
    policies: sorted(state.policies.entries()),
    faults: state.graph.faults.map(({ collection, key, cause, hasLastGood }) => ({
      collection,
      key,
      error: cause instanceof Error ? cause.message : String(cause),
      hasLastGood,
    })),
    problems,
  }
}

function sorted<V>(entries: Iterable<[string, V]>): readonly V[] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}
