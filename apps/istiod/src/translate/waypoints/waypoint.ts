import { type AllowedNamespaces, selectsLabels } from '@ambient/kube'
import { type ApplicationTunnel, canonicalIp, type GatewayAddress } from '@ambient/model'
import type { GatewayClassFacts, GatewayFacts, WaypointFor } from './gateway-facts.ts'

/** A waypoint as those see it who refer to it, ready or not. */
export interface Waypoint extends WaypointTerms {
  readonly namespace: string
  readonly name: string
  readonly createdAt: string
  /** Undefined until the status of its Gateway says where it is: it is not ready. */
  readonly address: GatewayAddress | undefined
  /** Of one that is not ready: connections have been sent through it before. */
  readonly wasInForce: boolean
  readonly forServiceAccount: string | undefined
  readonly inboundBinding: ApplicationTunnel | undefined
  /** Why its Gateway cannot be read. */
  readonly problem: string | undefined
}

/** Whom a waypoint takes. */
export interface WaypointTerms {
  readonly className: string
  readonly waypointFor: WaypointFor
  readonly allowed: AllowedNamespaces
}

export interface GatewaySurroundings {
  readonly gatewayClass: GatewayClassFacts | undefined
  readonly network: string
  readonly wasInForce: boolean
}

const HBONE_PORT = 15_008

/** Any Gateway is one, whatever its class: others are simply not referred to. */
export function waypointOf(
  gateway: GatewayFacts,
  { gatewayClass, network, wasInForce }: GatewaySurroundings,
): Waypoint {
  const { namespace, name, className, createdAt, forServiceAccount, problem } = gateway
  const address = gatewayAddress(gateway, network)
  const inboundBinding = gateway.inboundBinding ?? gatewayClass?.inboundBinding
  return {
    namespace,
    name,
    createdAt,
    className,
    waypointFor:
      gateway.waypointFor ??
      gatewayClass?.waypointFor ??
      (forServiceAccount === undefined ? 'service' : 'all'),
    allowed: allowedNamespaces(gateway, inboundBinding),
    address,
    wasInForce: wasInForce && address === undefined,
    forServiceAccount,
    inboundBinding,
    problem,
  }
}

/** @param labels Of `namespace`, which is the object's; asked only when they decide. */
export function admits(
  { namespace: own, allowed }: Pick<Waypoint, 'namespace' | 'allowed'>,
  namespace: string,
  labels: () => Readonly<Record<string, string>>,
): boolean {
  switch (allowed.from) {
    case 'All':
      return true
    case 'Same':
      return own === namespace
    case 'None':
      return false
    case 'Selector':
      // Every namespace has this label in a cluster, where the API server puts it there.
      return (
        allowed.selector !== undefined &&
        selectsLabels(allowed.selector, { 'kubernetes.io/metadata.name': namespace, ...labels() })
      )
  }
}

export function takes(waypointFor: WaypointFor, traffic: 'service' | 'workload'): boolean {
  return waypointFor === 'all' || waypointFor === traffic
}

/** The listener that connections from outside its own pod come in by says who may use it. */
function allowedNamespaces(
  { listeners }: GatewayFacts,
  binding: ApplicationTunnel | undefined,
): AllowedNamespaces {
  const bound = listeners.find(({ port, protocol }) => {
    if (binding === undefined) return false
    return binding.port === 0
      ? binding.protocol === 'proxy' && protocol === 'istio.io/PROXY'
      : port === binding.port
  })
  const standard = listeners.find(({ port, protocol }) => protocol === 'HBONE' && port === HBONE_PORT)
  return (bound ?? standard)?.allowed ?? { from: 'Same' }
}

/** A host name is preferred: it stays the same when its addresses change. */
function gatewayAddress({ namespace, addresses }: GatewayFacts, network: string): GatewayAddress | undefined {
  const hostname = addresses.find(({ type }) => type === 'Hostname')?.value
  if (hostname !== undefined)
    return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort: HBONE_PORT }
  const [ip] = addresses.flatMap(({ type, value }) =>
    type === 'IPAddress' ? (canonicalIp(value) ?? []) : [],
  )
  if (ip === undefined) return undefined
  return { destination: { kind: 'address', network, ip }, hboneMtlsPort: HBONE_PORT }
}

/**
 * A reference that no node proxy can resolve, so that it refuses what it would send there. The namespace is the name of
 * none, since it has an underscore; and the host name, which the proxy logs, says what is missing.
 */
export function closedAddress({ namespace, name }: Pick<Waypoint, 'namespace' | 'name'>): GatewayAddress {
  return {
    destination: {
      kind: 'hostname',
      namespace: '_closed',
      hostname: `${name}.${namespace}.waypoint.invalid`,
    },
    hboneMtlsPort: HBONE_PORT,
  }
}
