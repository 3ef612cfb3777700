import {
  type Field,
  fieldsOf,
  type GatewayFacts as KubeGateway,
  isRecord,
  type KubeObject,
  readGateway,
} from '@ambient/kube'
import type { ApplicationTunnel } from '@ambient/model'

/** What a waypoint takes: traffic to services, to workloads by their own address, both, or nothing. */
export type WaypointFor = (typeof WAYPOINT_FOR)[number]

/** What a Gateway or its class says of the waypoints it stands for. */
export interface WaypointSettings {
  readonly waypointFor: WaypointFor | undefined
  /** How a node proxy hands connections to a waypoint that it captures itself. */
  readonly inboundBinding: ApplicationTunnel | undefined
}

/** All that istiod looks at of a Gateway. */
export interface GatewayFacts extends KubeGateway, WaypointSettings {
  readonly namespace: string
  readonly name: string
  readonly createdAt: string
  /** The one account whose workloads it is for, and no others. */
  readonly forServiceAccount: string | undefined
  /** Why it cannot be read, if it cannot and never could. */
  readonly problem: string | undefined
}

export interface GatewayClassFacts extends WaypointSettings {
  readonly controllerName: string
}

export const WAYPOINT_FOR = ['service', 'workload', 'all', 'none'] as const
const WAYPOINT_FOR_LABEL = 'istio.io/waypoint-for'
const INBOUND_BINDING = 'ambient.istio.io/waypoint-inbound-binding'
const FOR_SERVICE_ACCOUNT = 'istio.io/for-service-account'

/** @throws {KubeError} `OBJECT_INVALID` naming gateway and field. */
export function gatewayFacts(gateway: KubeObject): GatewayFacts {
  const { namespace = '', name, creationTimestamp, annotations } = gateway.metadata
  return {
    ...readGateway(gateway),
    ...waypointSettings(gateway),
    namespace,
    name,
    createdAt: creationTimestamp,
    forServiceAccount: annotations[FOR_SERVICE_ACCOUNT],
    problem: undefined,
  }
}

/** What stands in for a Gateway that never could be read: a waypoint that is not ready, whatever it was to be for. */
export function unreadableGateway(gateway: KubeObject, problem: string): GatewayFacts {
  const { namespace = '', name, creationTimestamp, annotations } = gateway.metadata
  const { spec } = gateway
  const className = isRecord(spec) ? spec['gatewayClassName'] : undefined
  return {
    className: typeof className === 'string' ? className : '',
    listeners: [],
    addresses: [],
    waypointFor: undefined,
    inboundBinding: undefined,
    namespace,
    name,
    createdAt: creationTimestamp,
    forServiceAccount: annotations[FOR_SERVICE_ACCOUNT],
    problem,
  }
}

/** @throws {KubeError} `OBJECT_INVALID` naming class and field. */
export function gatewayClassFacts(gatewayClass: KubeObject): GatewayClassFacts {
  return {
    ...waypointSettings(gatewayClass),
    controllerName: fieldsOf(gatewayClass).get('spec').get('controllerName').requiredText(),
  }
}

function waypointSettings(object: KubeObject): WaypointSettings {
  const metadata = fieldsOf(object).get('metadata')
  return {
    waypointFor: metadata.get('labels').get(WAYPOINT_FOR_LABEL).choice(WAYPOINT_FOR),
    inboundBinding: readBinding(metadata.get('annotations').get(INBOUND_BINDING)),
  }
}

/** `NONE` or `PROXY`, and `/port` when it is not the port of the request. */
function readBinding(field: Field): ApplicationTunnel | undefined {
  const text = field.text()
  if (text === undefined) return undefined
  const [, protocol, port = '0'] = /^(NONE|PROXY)(?:\/(\d{1,5}))?$/.exec(text) ?? []
  if (protocol === undefined || Number(port) > 65_535)
    throw field.invalid('must be NONE or PROXY, and may have /port behind it')
  return { protocol: protocol === 'PROXY' ? 'proxy' : 'none', port: Number(port) }
}
