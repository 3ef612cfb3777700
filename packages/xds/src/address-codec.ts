import {
  type Address,
  addressKey,
  addressName,
  defineService,
  type NetworkAddress,
  type NetworkMode,
  type PortMapping,
  type Service,
  type TunnelProtocol,
  type Workload,
  type WorkloadStatus,
  type WorkloadType,
} from '@ambient/model'
import { decodeWireAddress, encodeWireAddress, type WireService, type WireWorkload } from '@ambient/xds-proto'
import { type EncodedResource, encodedResource, type ResourceKeys } from './encoded-resource.ts'
import { ADDRESS_TYPE } from './type-urls.ts'
import {
  ipFamiliesEnum,
  readGateway,
  readIp,
  readLoadBalancing,
  readNetworkAddress,
  readPort,
  writeGateway,
  writeIp,
  writeLoadBalancing,
  writeNetworkAddress,
  writePort,
} from './wire-address.ts'
import { wireEnum } from './wire-enum.ts'
import { decodeWire, invalid } from './xds-error.ts'

const statuses = wireEnum<WorkloadStatus>('workload status', ['healthy', 'unhealthy'])
const workloadTypes = wireEnum<WorkloadType>('workload type', ['deployment', 'cronjob', 'pod', 'job'])
const networkModes = wireEnum<NetworkMode>('network mode', ['standard', 'host-network'])
const tunnelProtocols = wireEnum<TunnelProtocol>('tunnel protocol', ['none', 'hbone'])
const tunnelKinds = wireEnum<'none' | 'proxy'>('application tunnel', ['none', 'proxy'])

/**
 * Reads one Address resource and applies the wire's defaults.
 *
 * @throws {XdsError} `RESOURCE_INVALID`, saying which part is wrong; the resource as a whole is then refused.
 * @see Istio `workload.proto` Address
 */
export function decodeAddress(bytes: Uint8Array): Address {
  const { workload, service } = decodeWire(bytes, decodeWireAddress)
  if (workload && service) throw invalid('an address that is both workload and service')
  if (workload) return { kind: 'workload', workload: readWorkload(workload) }
  if (service) return { kind: 'service', service: readService(service) }
  throw invalid('an address that is neither workload nor service')
}

/** One Address resource as it is sent. Equal addresses give equal bytes, so the version says whether anything changed. */
export function encodeAddressResource(address: Address): EncodedResource {
  const bytes = encodeWireAddress(
    address.kind === 'workload'
      ? { workload: writeWorkload(address.workload) }
      : { service: writeService(address.service) },
  )
  const keys = address.kind === 'workload' ? workloadKeys(address.workload) : serviceKeys(address.service)
  return encodedResource({ name: addressName(address), typeUrl: ADDRESS_TYPE, keys }, bytes)
}

/** The group of all workloads on a node, a name that nothing else can have. */
export function nodeGroup(node: string): string {
  return `//node/${node}`
}

/** A pod on the host's network is not found by its address, which it shares with others. */
function workloadKeys({ addresses, network, networkMode, services, node }: Workload): ResourceKeys {
  return {
    aliases: networkMode === 'host-network' ? [] : addresses.map((ip) => addressKey(network, ip)),
    groups: [...Object.keys(services).toSorted(), ...(node === '' ? [] : [nodeGroup(node)])],
  }
}

function serviceKeys({ addresses }: Service): ResourceKeys {
  const keyOf = ({ network, ip, prefixLength }: NetworkAddress): string =>
    addressKey(network, prefixLength === undefined ? ip : `${ip}/${prefixLength}`)
  return { aliases: addresses.map(keyOf), groups: [] }
}

function readWorkload(wire: WireWorkload): Workload {
  if (!wire.uid) throw invalid('a workload without uid')
  return {
    ...readNames(wire),
    ...readPlace(wire),
    uid: wire.uid,
    tunnelProtocol: tunnelProtocols.read(wire.tunnelProtocol),
    waypoint: readGateway(wire.waypoint),
    networkGateway: readGateway(wire.networkGateway),
    workloadType: workloadTypes.read(wire.workloadType),
    nativeTunnel: wire.nativeTunnel ?? false,
    authorizationPolicies: wire.authorizationPolicies ?? [],
    status: statuses.read(wire.status),
    services: readMembership(wire.services),
    capacity: wire.capacity ? (wire.capacity.value ?? 0) : 1,
  }
}

/** Where it is and how it is reached there. */
function readPlace(
  wire: WireWorkload,
): Pick<Workload, 'addresses' | 'applicationTunnel' | 'locality' | 'networkMode'> {
  const { applicationTunnel: tunnel, locality } = wire
  return {
    addresses: (wire.addresses ?? []).map(readIp),
    applicationTunnel: tunnel
      ? { protocol: tunnelKinds.read(tunnel.protocol), port: tunnel.port ?? 0 }
      : undefined,
    locality: {
      region: locality?.region ?? '',
      zone: locality?.zone ?? '',
      subzone: locality?.subzone ?? '',
    },
    networkMode: networkModes.read(wire.networkMode),
  }
}

type Names = Pick<
  Workload,
  | 'name'
  | 'namespace'
  | 'network'
  | 'trustDomain'
  | 'serviceAccount'
  | 'node'
  | 'canonicalName'
  | 'canonicalRevision'
  | 'workloadName'
  | 'clusterId'
  | 'hostname'
>

function readNames(wire: WireWorkload): Names {
  const text = (value: string | null | undefined): string => value ?? ''
  return {
    name: text(wire.name),
    namespace: text(wire.namespace),
    network: text(wire.network),
    trustDomain: text(wire.trustDomain) || 'cluster.local',
    serviceAccount: text(wire.serviceAccount) || 'default',
    node: text(wire.node),
    canonicalName: text(wire.canonicalName),
    canonicalRevision: text(wire.canonicalRevision),
    workloadName: text(wire.workloadName),
    clusterId: text(wire.clusterId) || 'Kubernetes',
    hostname: text(wire.hostname),
  }
}

function readMembership(
  services: WireWorkload['services'],
): Readonly<Record<string, readonly PortMapping[]>> {
  const read: Record<string, readonly PortMapping[]> = {}
  for (const [name, list] of Object.entries(services ?? {})) {
    if (!name.includes('/')) throw invalid(`a service named "${name}": expected namespace/hostname`)
    read[name] = (list.ports ?? []).map(readPort)
  }
  return read
}

function readService(wire: WireService): Service {
  if (!wire.hostname) throw invalid('a service without hostname')
  return defineService({
    name: wire.name ?? '',
    namespace: wire.namespace ?? '',
    hostname: wire.hostname,
    addresses: (wire.addresses ?? []).map(readNetworkAddress),
    ports: (wire.ports ?? []).map(readPort),
    subjectAltNames: wire.subjectAltNames ?? [],
    waypoint: readGateway(wire.waypoint),
    weightedWaypoints: (wire.weightedWaypoints ?? []).map(({ destination, weight }) => {
      const read = readGateway(destination)
      if (read === undefined) throw invalid('a weighted waypoint without destination')
      return { destination: read, weight: weight ?? 0 }
    }),
    loadBalancing: readLoadBalancing(wire.loadBalancing),
    ipFamilies: ipFamiliesEnum.read(wire.ipFamilies),
    canonical: wire.canonical ?? false,
    ingressUseWaypoint: wire.ingressUseWaypoint ?? false,
    // An unknown visibility is public, as upstream reads it.
    visibility: wire.visibility === 1 ? 'namespace' : 'public',
  })
}

function writeWorkload(workload: Workload): WireWorkload {
  const { waypoint, networkGateway, applicationTunnel, locality, trustDomain } = workload
  const services: { [name: string]: { ports: ReturnType<typeof writePort>[] } } = {}
  for (const name of Object.keys(workload.services).toSorted())
    services[name] = { ports: (workload.services[name] ?? []).map(writePort) }
  const isSomewhere = locality.region !== '' || locality.zone !== '' || locality.subzone !== ''
  return {
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    addresses: workload.addresses.map(writeIp),
    network: workload.network,
    tunnelProtocol: tunnelProtocols.write(workload.tunnelProtocol),
    // The default trust domain is sent as nothing, as Istio's control plane does.
    trustDomain: trustDomain === 'cluster.local' ? '' : trustDomain,
    serviceAccount: workload.serviceAccount,
    ...(waypoint === undefined ? {} : { waypoint: writeGateway(waypoint) }),
    ...(networkGateway === undefined ? {} : { networkGateway: writeGateway(networkGateway) }),
    node: workload.node,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    workloadType: workloadTypes.write(workload.workloadType),
    workloadName: workload.workloadName,
    nativeTunnel: workload.nativeTunnel,
    authorizationPolicies: [...workload.authorizationPolicies],
    status: statuses.write(workload.status),
    clusterId: workload.clusterId,
    hostname: workload.hostname,
    services,
    ...(applicationTunnel === undefined
      ? {}
      : {
          applicationTunnel: {
            protocol: tunnelKinds.write(applicationTunnel.protocol),
            port: applicationTunnel.port,
          },
        }),
    ...(isSomewhere ? { locality: { ...locality } } : {}),
    networkMode: networkModes.write(workload.networkMode),
    ...(workload.capacity === 1 ? {} : { capacity: { value: workload.capacity } }),
  }
}

function writeService(service: Service): WireService {
  const { waypoint, loadBalancing } = service
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    addresses: service.addresses.map(writeNetworkAddress),
    ports: service.ports.map(writePort),
    subjectAltNames: [...service.subjectAltNames],
    ...(waypoint === undefined ? {} : { waypoint: writeGateway(waypoint) }),
    weightedWaypoints: service.weightedWaypoints.map(({ destination, weight }) => ({
      destination: writeGateway(destination),
      weight,
    })),
    ...(loadBalancing === undefined ? {} : { loadBalancing: writeLoadBalancing(loadBalancing) }),
    ipFamilies: ipFamiliesEnum.write(service.ipFamilies),
    canonical: service.canonical,
    ingressUseWaypoint: service.ingressUseWaypoint,
    visibility: service.visibility === 'namespace' ? 1 : 0,
  }
}
