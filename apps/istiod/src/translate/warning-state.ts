import type { Collection } from '@ambient/collections'
import type { ConfigState } from './config/config-state.ts'
import { meshConfigWarnings } from './config/mesh-config-warnings.ts'
import type { EndpointFacts } from './entries/endpoint-facts.ts'
import type { EntryState } from './entries/entry-state.ts'
import { serviceEntryWarnings, workloadEntryWarnings } from './entries/entry-warnings.ts'
import type { MeshInputs } from './mesh-inputs.ts'
import { type ObjectWarnings, objectWarnings } from './object-warnings.ts'
import { serviceWarnings } from './services/kube-services.ts'

export interface WarningSources {
  readonly config: ConfigState
  readonly entries: EntryState
  /** WorkloadEntries. */
  readonly workloads: Collection<EndpointFacts>
}

/** What objects say that is not, or not wholly, done; under what `describeRef` names the object. */
export function warningState(
  { graph, mesh, of }: MeshInputs,
  { config: { own }, entries, workloads }: WarningSources,
): Collection<ObjectWarnings> {
  return graph.union('warnings', [
    objectWarnings(graph, 'ConfigMap', of('ConfigMap'), meshConfigWarnings(mesh)),
    objectWarnings(graph, 'Service', of('Service'), serviceWarnings),
    objectWarnings(graph, 'ServiceEntry', own.ServiceEntry, serviceEntryWarnings(entries)),
    objectWarnings(graph, 'WorkloadEntry', own.WorkloadEntry, workloadEntryWarnings(workloads)),
  ])
}
