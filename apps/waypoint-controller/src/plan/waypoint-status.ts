import { describeRef, type Field, fieldsOf, type KubeObject, refOf } from '@ambient/kube'
import type { GatewayReason, ListenerFault, WaypointWish } from './judge-gateway.ts'
import type { PlanInput } from './plan-input.ts'

/** A condition without what only the writing of it adds. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

export interface ListenerStatus {
  readonly name: string
  readonly attachedRoutes: number
  readonly supportedKinds: readonly object[]
  readonly conditions: readonly Condition[]
}

/** What the status of a Gateway is to say. @see Gateway API, GatewayStatus */
export interface GatewayStatus {
  /** Only once it can be used: whoever reads them sends traffic there. */
  readonly addresses: readonly { readonly type: 'Hostname' | 'IPAddress'; readonly value: string }[]
  readonly conditions: readonly Condition[]
  readonly listeners: readonly ListenerStatus[]
}

export interface WaypointState {
  readonly wish: WaypointWish
  readonly listenerFaults: ReadonlyMap<string, ListenerFault>
  /** What stands where something should be made. */
  readonly blocked: readonly KubeObject[]
}

/** Of a Gateway that cannot be deployed. What was deployed for it before goes on, so its addresses stay. */
export function refusedStatus(
  { gateway }: PlanInput,
  { reason, message }: { readonly reason: GatewayReason; readonly message: string },
): GatewayStatus {
  const wasProgrammed = isProgrammed(gateway)
  return {
    addresses: wasProgrammed ? observedAddresses(gateway) : [],
    conditions: [
      { type: 'Accepted', status: 'False', reason, message },
      wasProgrammed
        ? condition('Programmed', 'Programmed', 'what was deployed before goes on')
        : { type: 'Programmed', status: 'False', reason: 'Invalid', message },
    ],
    listeners: [],
  }
}

/** Of a Gateway that is deployed, as far as it has come. */
export function waypointStatus(input: PlanInput, state: WaypointState): GatewayStatus {
  const { gateway } = input
  const names = listenerNames(gateway)
  const isListening = names.some((name) => !state.listenerFaults.has(name))
  const accepted: Condition = isListening
    ? condition('Accepted', 'Accepted', 'the waypoint is deployed')
    : {
        type: 'Accepted',
        status: 'False',
        reason: 'ListenersNotValid',
        message: 'a waypoint needs one listener with protocol HBONE on port 15008',
      }
  const programmed = programmedCondition(input, state, isListening)
  return {
    addresses: programmed.status === 'True' ? addressesOf(input, state.wish) : [],
    conditions: [accepted, programmed],
    listeners: names.map((name) => listenerStatus(name, state.listenerFaults.get(name), programmed)),
  }
}

function programmedCondition(
  { gateway, observed }: PlanInput,
  { wish, blocked }: WaypointState,
  isListening: boolean,
): Condition {
  const no = (reason: string, message: string): Condition => ({
    type: 'Programmed',
    status: 'False',
    reason,
    message,
  })
  const [first] = blocked
  if (first !== undefined)
    return no(
      'Invalid',
      `${describeRef(refOf(first))} was not made for this Gateway, and is left alone: rename it`,
    )
  if (!isListening) return no('Invalid', 'no listener can be served')
  if (clusterIp(observed, wish) === undefined)
    return no('AddressNotAssigned', 'its Service has no address yet')
  // Once it was there, an outage is for those who use it to meet: taking its address away would send them past it.
  if (!isProgrammed(gateway) && readyReplicas(observed, wish) === 0)
    return no('Pending', 'no pod of it is ready yet')
  return condition('Programmed', 'Programmed', 'its Service has an address and a pod was ready')
}

function addressesOf(
  { gateway, observed, defaults }: PlanInput,
  wish: WaypointWish,
): GatewayStatus['addresses'] {
  const ip = clusterIp(observed, wish)
  const host = `${wish.name}.${gateway.metadata.namespace ?? 'default'}.svc.${defaults.domainSuffix}`
  return [
    { type: 'Hostname', value: host },
    ...(ip === undefined || ip === 'None' ? [] : [{ type: 'IPAddress' as const, value: ip }]),
  ]
}

function listenerStatus(
  name: string,
  fault: ListenerFault | undefined,
  programmed: Condition,
): ListenerStatus {
  const accepted: Condition =
    fault === undefined
      ? condition('Accepted', 'Accepted', 'the listener is served')
      : { type: 'Accepted', status: 'False', ...fault }
  const served: Condition =
    fault === undefined
      ? programmed
      : { ...programmed, status: 'False', reason: 'Invalid', message: fault.message }
  return {
    name,
    attachedRoutes: 0, // routes of a waypoint are attached to services
    supportedKinds: [],
    conditions: [
      accepted,
      { type: 'Conflicted', status: 'False', reason: 'NoConflicts', message: 'no listener is in its way' },
      served,
      condition('ResolvedRefs', 'ResolvedRefs', 'it refers to nothing'),
    ],
  }
}

function condition(type: string, reason: string, message: string): Condition {
  return { type, status: 'True', reason, message }
}

function listenerNames(gateway: KubeObject): readonly string[] {
  return fieldsOf(gateway)
    .get('spec')
    .get('listeners')
    .list()
    .map((field) => field.get('name').requiredText())
}

function isProgrammed(gateway: KubeObject): boolean {
  return observedConditions(fieldsOf(gateway).get('status')).some(
    ({ type, status }) => type === 'Programmed' && status === 'True',
  )
}

function observedAddresses(gateway: KubeObject): GatewayStatus['addresses'] {
  return fieldsOf(gateway)
    .get('status')
    .get('addresses')
    .list()
    .flatMap((field) => {
      const type = field.get('type').text() ?? 'IPAddress'
      const value = field.get('value').text()
      return value !== undefined && (type === 'Hostname' || type === 'IPAddress') ? [{ type, value }] : []
    })
}

function clusterIp(observed: readonly KubeObject[], { name }: WaypointWish): string | undefined {
  const service = observed.find((object) => object.kind === 'Service' && object.metadata.name === name)
  return service === undefined ? undefined : fieldsOf(service).get('spec').get('clusterIP').text()
}

function readyReplicas(observed: readonly KubeObject[], { name }: WaypointWish): number {
  const deployment = observed.find((object) => object.kind === 'Deployment' && object.metadata.name === name)
  if (deployment === undefined) return 0
  return fieldsOf(deployment).get('status').get('readyReplicas').integer() ?? 0
}

/** A condition as it stands in a status. */
export interface WrittenCondition extends Condition {
  readonly observedGeneration: number
  /** RFC 3339, in whole seconds: when `status` was last another. */
  readonly lastTransitionTime: string
}

/**
 * The status as it has to be written, or nothing when the Gateway's says so already. Times of conditions stay as long
 * as their status does. Pure.
 */
export function statusToWrite(
  gateway: KubeObject,
  { addresses, conditions, listeners }: GatewayStatus,
  nowMs: number,
): Readonly<Record<string, unknown>> | undefined {
  const status = fieldsOf(gateway).get('status')
  const timed = timing(gateway.metadata.generation, nowMs)
  const before = new Map(
    readList(status.get('listeners')).map((field) => [field.get('name').text(), observedConditions(field)]),
  )
  const wanted = {
    addresses,
    conditions: timed(conditions, observedConditions(status)),
    listeners: listeners.map((listener) => ({
      ...listener,
      conditions: timed(listener.conditions, before.get(listener.name) ?? []),
    })),
  }
  return isSame(status, wanted) ? undefined : wanted
}

/** Whether the status says so already; conditions of others, which stand beside ours, are of no account. */
function isSame(status: Field, wanted: { conditions: readonly WrittenCondition[] } & object): boolean {
  const types = new Set(wanted.conditions.map(({ type }) => type))
  const there = {
    addresses: readList(status.get('addresses')).map(({ value }) => value),
    conditions: observedConditions(status).filter(({ type }) => types.has(type)),
    listeners: readList(status.get('listeners')).map(({ value }) => value),
  }
  return sortedText(there) === sortedText(wanted)
}

/** JSON with members in order of their names, and conditions in order of their types. */
function sortedText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (Array.isArray(member)) return member.map((item) => sortedText(item)).toSorted()
    if (typeof member !== 'object' || member === null) return member
    return Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

export function timing(
  observedGeneration: number,
  nowMs: number,
): (wanted: readonly Condition[], before: readonly WrittenCondition[]) => readonly WrittenCondition[] {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z')
  return (wanted, before) =>
    wanted.map((each) => {
      const was = before.find(({ type }) => type === each.type)
      const lastTransitionTime = was?.status === each.status ? was.lastTransitionTime : now
      return { ...each, observedGeneration, lastTransitionTime }
    })
}

/** Anybody may write a status: what cannot be read is written anew. */
export function observedConditions(of: Field): readonly WrittenCondition[] {
  return readList(of.get('conditions')).flatMap((field) => {
    try {
      const status = field.get('status').choice(['True', 'False'] as const)
      if (status === undefined) return []
      const text = (name: string): string => field.get(name).text() ?? ''
      return [
        {
          type: text('type'),
          status,
          reason: text('reason'),
          message: text('message'),
          observedGeneration: field.get('observedGeneration').integer() ?? 0,
          lastTransitionTime: text('lastTransitionTime'),
        },
      ]
    } catch {
      return []
    }
  })
}

function readList(field: Field): readonly Field[] {
  try {
    return field.list()
  } catch {
    return []
  }
}
