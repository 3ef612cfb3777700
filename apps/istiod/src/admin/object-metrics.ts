import type { Metrics } from '@ambient/telemetry'

type ObjectEvent = 'added' | 'modified' | 'deleted'

/** Istio's words. */
const EVENTS: Readonly<Record<ObjectEvent, string>> = { added: 'add', modified: 'update', deleted: 'delete' }
/** What causes pushes, by kind; a kind that is not here is a configuration. */
const TRIGGERS: ReadonlyMap<string, string> = new Map([
  ['Pod', 'ambient'],
  ['Node', 'ambient'],
  ['Service', 'service'],
  ['EndpointSlice', 'endpoint'],
  ['Namespace', 'namespace'],
  ['WorkloadEntry', 'ambient'],
])
/** Kinds of the registry of what runs, as against the configuration. */
const REGISTRY: ReadonlyMap<string, string> = new Map([
  ['Pod', 'Pods'],
  ['Node', 'Nodes'],
  ['Service', 'Services'],
  ['EndpointSlice', 'EndpointSlice'],
  ['Namespace', 'Namespaces'],
  ['ServiceAccount', 'ServiceAccounts'],
  ['ConfigMap', 'ConfigMaps'],
])

/** Counts a change of an object under each of the names that Istio has for it. */
export function countObjectEvent(metrics: Metrics, kind: string, event: ObjectEvent): void {
  const registry = REGISTRY.get(kind)
  if (registry === undefined) metrics.add('pilot_k8s_cfg_events', 1, [kind, EVENTS[event]])
  else metrics.add('pilot_k8s_reg_events', 1, [registry, EVENTS[event]])
  metrics.add('pilot_push_triggers', 1, [TRIGGERS.get(kind) ?? 'config'])
  metrics.add('pilot_inbound_updates', 1, [inboundType(kind, event)])
}

function inboundType(kind: string, event: ObjectEvent): string {
  if (kind === 'Service') return event === 'deleted' ? 'svcdelete' : 'svc'
  return kind === 'EndpointSlice' || kind === 'Pod' ? 'eds' : 'config'
}
