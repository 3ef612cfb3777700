import {
  type GatewayAddress,
  type NetworkAddress,
  type PortMapping,
  type Service,
  serviceName,
  type Workload,
} from '@ambient/model'
import { type AuthorizationPolicy, type Match, policyKey, type StringMatch } from '@ambient/policy'
import type { EndpointSet } from './service-index.ts'

export interface MeshParts {
  readonly workloads: readonly Workload[]
  readonly services: readonly { readonly service: Service; readonly endpoints: EndpointSet }[]
  readonly staged: readonly (readonly [string, EndpointSet])[]
  readonly policies: readonly AuthorizationPolicy[]
}

/** Keys and spellings are upstream's: `istioctl ztunnel-config` reads them. */
export interface MeshDump {
  readonly workloads: readonly object[]
  readonly services: readonly object[]
  readonly policies: readonly object[]
  readonly stagedServices: Readonly<Record<string, object>>
}

const IP_FAMILIES = { 'ipv4-only': 'IPv4', 'ipv6-only': 'IPv6', dual: 'Dual' } as const

/** @see ztunnel `src/state/workload.rs`, `src/state/service.rs`, `src/rbac.rs` as they are serialised */
export function dumpMesh(parts: MeshParts): MeshDump {
  return {
    workloads: sortedBy(parts.workloads, (workload) => workload.uid).map(dumpWorkload),
    services: sortedBy(parts.services, ({ service }) => `${service.hostname}/${service.namespace}`).map(
      dumpService,
    ),
    policies: sortedBy(parts.policies, policyKey).map(dumpPolicy),
    stagedServices: Object.fromEntries(parts.staged.map(([name, set]) => [name, dumpEndpoints(name, set)])),
  }
}

function dumpWorkload(workload: Workload): object {
  const {
    addresses,
    tunnelProtocol,
    networkMode,
    status,
    applicationTunnel,
    services,
    waypoint,
    networkGateway,
    ...same
  } = workload
  return {
    ...same,
    workloadIps: addresses,
    protocol: tunnelProtocol === 'hbone' ? 'HBONE' : 'TCP',
    networkMode: capital(networkMode),
    status: capital(status),
    services: Object.fromEntries(Object.entries(services).map(([name, ports]) => [name, dumpPorts(ports)])),
    ...(waypoint && { waypoint: dumpGateway(waypoint) }),
    ...(networkGateway && { networkGateway: dumpGateway(networkGateway) }),
    ...(applicationTunnel && {
      applicationTunnel: { protocol: applicationTunnel.protocol.toUpperCase(), port: applicationTunnel.port },
    }),
  }
}

function dumpService({ service, endpoints }: MeshParts['services'][number]): object {
  const {
    addresses,
    waypoint,
    weightedWaypoints,
    loadBalancing,
    ports,
    ipFamilies,
    visibility,
    ingressUseWaypoint: _,
    ...same
  } = service
  return {
    ...same,
    vips: addresses.filter((address) => address.prefixLength === undefined).map(dumpAddress),
    cidrVips: addresses.filter((address) => address.prefixLength !== undefined).map(dumpAddress),
    ports: dumpPorts(ports),
    endpoints: dumpEndpoints(serviceName(service), endpoints),
    visibility: capital(visibility),
    ...(ipFamilies !== 'automatic' && { ipFamilies: IP_FAMILIES[ipFamilies] }),
    ...(waypoint && { waypoint: dumpGateway(waypoint) }),
    ...(weightedWaypoints.length > 0 && {
      weightedWaypoints: weightedWaypoints.map(({ destination, weight }) => ({
        destination: dumpGateway(destination),
        weight,
      })),
    }),
    ...(loadBalancing && {
      loadBalancer: {
        routingPreferences: loadBalancing.routingPreference.map(capital),
        mode: loadBalancing.mode === 'unspecified' ? 'Standard' : capital(loadBalancing.mode),
        healthPolicy: capital(loadBalancing.healthPolicy),
      },
    }),
  }
}

function dumpEndpoints(service: string, set: EndpointSet): object {
  return Object.fromEntries(
    [...set.workloads.values()].map((workload) => [
      workload.uid,
      {
        workloadUid: workload.uid,
        port: dumpPorts(workload.services[service] ?? []),
        status: capital(workload.status),
      },
    ]),
  )
}

function dumpPolicy(policy: AuthorizationPolicy): object {
  return {
    name: policy.name,
    namespace: policy.namespace,
    scope: capital(policy.scope),
    action: capital(policy.action),
    rules: policy.rules.map((rule) => rule.map((clause) => clause.map(dumpMatch))),
    ...(policy.dryRun && { dryRun: true }),
  }
}

function dumpMatch(match: Match): object {
  return {
    ...match,
    ...mapped('namespaces', match.namespaces, dumpString),
    ...mapped('notNamespaces', match.notNamespaces, dumpString),
    ...mapped('principals', match.principals, dumpString),
    ...mapped('notPrincipals', match.notPrincipals, dumpString),
    ...mapped('sourceIps', match.sourceIps, ({ ip, length }) => `${ip}/${length}`),
    ...mapped('notSourceIps', match.notSourceIps, ({ ip, length }) => `${ip}/${length}`),
    ...mapped('destinationIps', match.destinationIps, ({ ip, length }) => `${ip}/${length}`),
    ...mapped('notDestinationIps', match.notDestinationIps, ({ ip, length }) => `${ip}/${length}`),
  }
}

function mapped<T>(name: string, list: readonly T[] | undefined, dump: (entry: T) => unknown): object {
  return list === undefined ? {} : { [name]: list.map(dump) }
}

function dumpString(match: StringMatch): object {
  return match.kind === 'presence' ? { Presence: [] } : { [capital(match.kind)]: match.value }
}

function dumpPorts(ports: readonly PortMapping[]): object {
  return Object.fromEntries(ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]))
}

function dumpAddress({ network, ip, prefixLength }: NetworkAddress): string {
  return prefixLength === undefined ? `${network}/${ip}` : `${network}/${ip}/${prefixLength}`
}

function dumpGateway({ destination, hboneMtlsPort }: GatewayAddress): object {
  const at =
    destination.kind === 'hostname'
      ? `${destination.namespace}/${destination.hostname}`
      : `${destination.network}/${destination.ip}`
  return { destination: at, hboneMtlsPort }
}

/** `host-network` is `HostNetwork` there. */
function capital(word: string): string {
  return word
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('')
}

function sortedBy<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
  return items
    .map((item) => ({ item, key: key(item) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ item }) => item)
}
