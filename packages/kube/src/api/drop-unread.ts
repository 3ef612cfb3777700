import { isRecord, type UnknownRecord } from '../field.ts'
import type { KindName } from '../resource-kinds.ts'

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
/** Of a pod and of its containers, what is often most of it and what no part of the mesh looks at. */
const POD_SPEC = [
  'volumes',
  'tolerations',
  'affinity',
  'nodeSelector',
  'topologySpreadConstraints',
  'imagePullSecrets',
]
const POD_STATUS = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses']
const CONTAINERS = ['containers', 'initContainers', 'ephemeralContainers']
const CONTAINER = [
  'command',
  'args',
  'env',
  'envFrom',
  'resources',
  'volumeMounts',
  'volumeDevices',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'securityContext',
]

/**
 * An item without what nobody reads: tens of thousands of pods are kept in memory whole, and this is the larger part of
 * each. The item itself is left as it is.
 */
export function dropUnread(kind: KindName, item: UnknownRecord): UnknownRecord {
  const metadata = record(item['metadata'])
  const { managedFields: _dropped, ...kept } = metadata
  const annotations = isRecord(metadata['annotations'])
    ? without(metadata['annotations'], [LAST_APPLIED])
    : undefined
  const named = { ...item, metadata: { ...kept, ...(annotations === undefined ? {} : { annotations }) } }
  if (kind !== 'Pod') return named
  return {
    ...named,
    ...(isRecord(item['spec']) ? { spec: withoutContainerDetails(without(item['spec'], POD_SPEC)) } : {}),
    ...(isRecord(item['status']) ? { status: without(item['status'], POD_STATUS) } : {}),
  }
}

function withoutContainerDetails(spec: UnknownRecord): UnknownRecord {
  const lists = CONTAINERS.flatMap((name): readonly (readonly [string, unknown])[] => {
    const list: unknown = spec[name]
    if (!Array.isArray(list)) return []
    return [[name, list.map((each: unknown) => (isRecord(each) ? without(each, CONTAINER) : each))]]
  })
  return { ...spec, ...Object.fromEntries(lists) }
}

function without(value: UnknownRecord, names: readonly string[]): UnknownRecord {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))
}

function record(value: unknown): UnknownRecord {
  return isRecord(value) ? value : {}
}
