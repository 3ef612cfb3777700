import { isRecord, type UnknownRecord } from '../field.ts'
import type { KindName } from '../resource-kinds.ts'

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** What is kept of a value: all of it, what a function makes of it, or these members of it, or of each of its items if it is a list. */
type Kept = true | ((value: unknown) => unknown) | { readonly [member: string]: Kept }

const CONTAINERS: Kept = {
  name: true,
  restartPolicy: true,
  ports: { name: true, containerPort: true, protocol: true },
}

/** Of the kinds of which there are tens of thousands: what `readPod` and `readEndpointSlice` look at. */
const KEPT: Partial<Readonly<Record<KindName, Readonly<Record<string, Kept>>>>> = {
  Pod: {
    spec: {
      nodeName: true,
      serviceAccountName: true,
      serviceAccount: true,
      hostNetwork: true,
      containers: CONTAINERS,
      initContainers: CONTAINERS,
    },
    status: { phase: true, podIP: true, podIPs: true, conditions: readyOf },
  },
  EndpointSlice: {
    endpoints: {
      addresses: true,
      conditions: { ready: true },
      targetRef: { kind: true, namespace: true, name: true, uid: true },
    },
  },
}

/**
 * An item without what nobody reads: tens of thousands of pods and endpoints are kept in memory whole, and this is the
 * larger part of each. The item itself is left as it is.
 */
export function dropUnread(kind: KindName, item: UnknownRecord): UnknownRecord {
  const kept = Object.entries(KEPT[kind] ?? {}).map(([member, of]): [string, unknown] => [
    member,
    keep(item[member], of),
  ])
  return { ...item, ...Object.fromEntries(kept), metadata: keepMetadata(item['metadata']) }
}

/** Of conditions, what says whether a pod is ready. */
function readyOf(conditions: unknown): unknown {
  if (!Array.isArray(conditions)) return conditions
  return conditions
    .filter((each: unknown) => !isRecord(each) || each['type'] === 'Ready')
    .map((each: unknown) => keep(each, { type: true, status: true }))
}

function keepMetadata(given: unknown): UnknownRecord {
  const { managedFields: _dropped, ...metadata } = isRecord(given) ? given : {}
  const { annotations } = metadata
  if (!isRecord(annotations)) return metadata
  const { [LAST_APPLIED]: _copy, ...kept } = annotations
  return { ...metadata, annotations: kept }
}

/** What is neither a map nor a list is left for the reader to refuse. */
function keep(value: unknown, kept: Kept): unknown {
  if (kept === true) return value
  if (typeof kept === 'function') return kept(value)
  if (Array.isArray(value)) return value.map((each: unknown) => keep(each, kept))
  if (!isRecord(value)) return value
  const members = Object.entries(kept).flatMap(([member, of]): readonly (readonly [string, unknown])[] =>
    value[member] === undefined ? [] : [[member, keep(value[member], of)]],
  )
  return Object.fromEntries(members)
}
