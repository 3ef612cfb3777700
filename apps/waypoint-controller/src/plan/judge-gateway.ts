import { type Field, fieldsOf, readGateway } from '@ambient/kube'
import { errorText } from '@ambient/lifecycle'
import {
  ACCOUNT_ANNOTATION,
  CONTROLLER_VERSION,
  HBONE_PORT,
  MESH_CONTROLLER,
  NAME_ANNOTATION,
  REVISION_LABEL,
  VERSION_ANNOTATION,
} from './gateway-names.ts'
import type { PlanInput } from './plan-input.ts'

/** What a Gateway asks for, once it is clear that it is ours and can be had. */
export interface WaypointWish {
  /** Of Deployment and Service. */
  readonly name: string
  readonly serviceAccount: string
  /** Asked for in `spec.addresses`; only meaningful for a Service of type LoadBalancer. */
  readonly loadBalancerIp: string | undefined
}

export interface ListenerFault {
  readonly reason: 'UnsupportedProtocol' | 'PortUnavailable'
  readonly message: string
}

export type GatewayVerdict =
  /** Somebody else's: nothing is written, not even a status. */
  | { readonly kind: 'foreign'; readonly detail: string }
  /** Ours, and nothing can be deployed for it; what is there stays. */
  | { readonly kind: 'refused'; readonly reason: GatewayReason; readonly message: string }
  | {
      readonly kind: 'managed'
      readonly wish: WaypointWish
      /** By the listener's name; waypoints have exactly one that is in order. */
      readonly listenerFaults: ReadonlyMap<string, ListenerFault>
    }

/** Reasons of the condition Accepted that this controller gives. @see Gateway API, GatewayConditionReason */
export type GatewayReason = 'Invalid' | 'InvalidParameters' | 'UnsupportedAddress'

const LABEL_VALUE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Whether a Gateway is this controller's to deploy, and what it asks for. Pure. */
export function judgeGateway({
  gateway,
  controllerName,
  namespaceLabels,
  defaults,
}: PlanInput): GatewayVerdict {
  if (controllerName !== MESH_CONTROLLER)
    return { kind: 'foreign', detail: `its class is of ${controllerName ?? 'nobody'}` }
  const revision = gateway.metadata.labels[REVISION_LABEL] ?? namespaceLabels[REVISION_LABEL]
  if (revision !== undefined && revision !== defaults.revision)
    return { kind: 'foreign', detail: `it is of revision ${revision}` }
  const version = gateway.metadata.annotations[VERSION_ANNOTATION]
  if (version !== undefined && !(Number(version) <= CONTROLLER_VERSION))
    return { kind: 'foreign', detail: `it belongs to a controller of version ${version}` }
  try {
    return judgeSpec(fieldsOf(gateway), readGateway(gateway), gateway.metadata)
  } catch (cause) {
    return { kind: 'refused', reason: 'Invalid', message: errorText(cause) }
  }
}

function judgeSpec(
  fields: Field,
  { listeners }: ReturnType<typeof readGateway>,
  { name: gatewayName, annotations }: PlanInput['gateway']['metadata'],
): GatewayVerdict {
  const asked = fields.get('spec').get('addresses').list()
  const addresses = asked.map((field) => ({
    type: field.get('type').text() ?? 'IPAddress',
    value: field.get('value').text(),
  }))
  if (addresses.some(({ type }) => type === 'Hostname'))
    return { kind: 'foreign', detail: 'a host name in spec.addresses means that its user deploys it' }
  if (addresses.length > 1 || addresses.some(({ type }) => type !== 'IPAddress')) {
    const message = 'spec.addresses may hold one address of type IPAddress'
    return { kind: 'refused', reason: 'UnsupportedAddress', message }
  }
  const name = annotations[NAME_ANNOTATION] ?? gatewayName
  const serviceAccount = annotations[ACCOUNT_ANNOTATION] ?? name
  for (const [what, value] of [
    ['name of the Gateway', gatewayName],
    [`annotation ${NAME_ANNOTATION}`, name],
    [`annotation ${ACCOUNT_ANNOTATION}`, serviceAccount],
  ] as const) {
    if (LABEL_VALUE.test(value)) continue
    const message = `the ${what} must be at most 63 of a-z, 0-9 and "-", since pods are labelled with it: "${value}"`
    return { kind: 'refused', reason: 'InvalidParameters', message }
  }
  return {
    kind: 'managed',
    wish: { name, serviceAccount, loadBalancerIp: addresses[0]?.value },
    listenerFaults: judgeListeners(listeners),
  }
}

function judgeListeners(
  listeners: ReturnType<typeof readGateway>['listeners'],
): ReadonlyMap<string, ListenerFault> {
  const faults = new Map<string, ListenerFault>()
  let found = false
  for (const { name, port, protocol } of listeners) {
    const isHbone = protocol === 'HBONE' && port === HBONE_PORT
    if (!isHbone)
      faults.set(name, {
        reason: 'UnsupportedProtocol',
        message: `a waypoint listens by HBONE on port ${HBONE_PORT}, not by ${protocol} on ${port}`,
      })
    else if (found)
      faults.set(name, { reason: 'PortUnavailable', message: `another listener has port ${HBONE_PORT}` })
    else found = true
  }
  return faults
}
