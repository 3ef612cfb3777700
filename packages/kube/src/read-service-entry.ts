import { canonicalIp } from '@ambient/model'
import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { isHostName, isWildcardHostName, readAddressRange } from './read-address.ts'
import type { AddressRange } from './read-address.ts'
import { readPort } from './read-pod.ts'
import { readEndpoint } from './read-workload-entry.ts'
import type { WorkloadEntryFacts } from './read-workload-entry.ts'

const RESOLUTIONS = ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'] as const
const LOCATIONS = ['MESH_EXTERNAL', 'MESH_INTERNAL'] as const

export type EntryResolution = (typeof RESOLUTIONS)[number]

export interface EntryPort {
  readonly name: string
  readonly number: number
  /** The same as `number` when it is not given. */
  readonly targetPort: number
  /** Upper case; empty when it is not given. */
  readonly protocol: string
}

/** The parts of a ServiceEntry this mesh looks at. */
export interface ServiceEntryFacts {
  /** Each once. */
  readonly hosts: readonly string[]
  readonly addresses: readonly AddressRange[]
  readonly ports: readonly EntryPort[]
  readonly resolution: EntryResolution
  readonly endpoints: readonly WorkloadEntryFacts[]
  /** Labels of the workloads behind it; undefined when it has none to select. */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly subjectAltNames: readonly string[]
  /** Virtual IPs that were allocated for it, by host; what is no address is left out. */
  readonly allocated: readonly { readonly host: string; readonly ip: string }[]
}

const HTTP_PROTOCOLS = ['HTTP', 'HTTP2', 'HTTP_PROXY', 'GRPC', 'GRPC-WEB']
const TLS_PROTOCOLS = ['TLS', 'HTTPS']
const PROTOCOLS = [...HTTP_PROTOCOLS, ...TLS_PROTOCOLS, 'TCP', 'UDP', 'MONGO', 'REDIS', 'MYSQL', 'HBONE']
/** What a forward proxy can tell the real host from. */
const NAMING_PROTOCOLS = ['HTTP', 'HTTP2', 'GRPC', 'TLS']

/**
 * Refuses what Istio's validating webhook refuses, since with a directory as source there is no webhook.
 *
 * @throws {KubeError} `OBJECT_INVALID` naming entry and field.
 */
export function readServiceEntry(entry: KubeObject): ServiceEntryFacts {
  const spec = fieldsOf(entry).get('spec')
  spec.get('location').choice(LOCATIONS)
  const facts: ServiceEntryFacts = {
    hosts: [...new Set(spec.get('hosts').list().map(readHost))],
    addresses: spec.get('addresses').list().map(readAddressRange),
    ports: spec.get('ports').list().map(readEntryPort),
    resolution: spec.get('resolution').choice(RESOLUTIONS) ?? 'NONE',
    endpoints: spec.get('endpoints').list().map(readEndpoint),
    selector: readSelector(spec.get('workloadSelector')),
    subjectAltNames: spec.get('subjectAltNames').texts(),
    allocated: readAllocatedAddresses(entry),
  }
  checkTogether(spec, facts)
  return facts
}

function checkTogether(spec: Field, facts: ServiceEntryFacts): void {
  const { hosts, addresses, resolution } = facts
  if (hosts.length === 0) throw spec.get('hosts').invalid('must not be empty')
  const isRange = addresses.some((address) => address.prefixLength !== undefined)
  if (isRange && resolution !== 'NONE' && resolution !== 'STATIC')
    throw spec.get('addresses').invalid('may have ranges only if resolution is NONE or STATIC')
  checkPorts(spec.get('ports'), facts)
  checkEndpoints(spec.get('endpoints'), facts)
  if (resolution === 'DYNAMIC_DNS') checkDynamic(spec, facts)
  const isBare = (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') && facts.endpoints.length === 0
  if (isBare && !hosts.every(isHostName))
    throw spec.get('hosts').invalid(`must have no wildcards if resolution is ${resolution} without endpoints`)
}

function checkPorts(field: Field, { ports, hosts, resolution }: ServiceEntryFacts): void {
  if (new Set(ports.map((port) => port.name)).size < ports.length)
    throw field.invalid('must have each name once')
  if (new Set(ports.map((port) => port.number)).size < ports.length)
    throw field.invalid('must have each number once')
  const tellsHosts = ports.every(({ protocol }) => [...HTTP_PROTOCOLS, ...TLS_PROTOCOLS].includes(protocol))
  if (hosts.length > 1 && resolution !== 'NONE' && !tellsHosts)
    throw field.invalid('must be HTTP or TLS if there are several hosts, since nothing else tells them apart')
}

function checkEndpoints(field: Field, facts: ServiceEntryFacts): void {
  const { endpoints, resolution } = facts
  if (endpoints.length > 0 && facts.selector !== undefined)
    throw field.invalid('must not be given together with workloadSelector')
  if (endpoints.length > 0 && (resolution === 'NONE' || resolution === 'DYNAMIC_DNS'))
    throw field.invalid(`must not be given if resolution is ${resolution}`)
  if (endpoints.length > 1 && resolution === 'DNS_ROUND_ROBIN')
    throw field.invalid('must be one at most if resolution is DNS_ROUND_ROBIN')
  for (const [index, item] of field.list().entries()) {
    const endpoint = endpoints[index]
    if (endpoint !== undefined) checkEndpoint(item, endpoint, facts)
  }
}

function checkEndpoint(
  field: Field,
  { address, ports }: WorkloadEntryFacts,
  { resolution, ports: known }: ServiceEntryFacts,
): void {
  if (resolution === 'STATIC' && address.kind === 'host')
    throw field.get('address').invalid('must be an IP address if resolution is STATIC')
  if (resolution !== 'STATIC' && address.kind === 'unix')
    throw field.get('address').invalid('may be a Unix socket only if resolution is STATIC')
  const other = Object.keys(ports).find((name) => !known.some((port) => port.name === name))
  if (other !== undefined) throw field.get('ports').get(other).invalid('is no port of the ServiceEntry')
}

function checkDynamic(spec: Field, { hosts, addresses, ports }: ServiceEntryFacts): void {
  if (!hosts.every((host) => host.startsWith('*')))
    throw spec.get('hosts').invalid('must be wildcards if resolution is DYNAMIC_DNS')
  if (addresses.length > 0)
    throw spec.get('addresses').invalid('must not be given if resolution is DYNAMIC_DNS')
  if (!ports.every(({ protocol }) => NAMING_PROTOCOLS.includes(protocol)))
    throw spec.get('ports').invalid('must be HTTP, HTTP2, GRPC or TLS if resolution is DYNAMIC_DNS')
}

function readHost(field: Field): string {
  const host = field.requiredText()
  if (!isWildcardHostName(host)) throw field.invalid('is no host name')
  return host
}

function readEntryPort(field: Field): EntryPort {
  const number = readPort(field.get('number'))
  const targetPort = field.get('targetPort')
  const name = field.get('name').requiredText()
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i.test(name)) throw field.get('name').invalid('is no port name')
  const protocol = (field.get('protocol').text() ?? '').toUpperCase()
  if (protocol !== '' && !PROTOCOLS.includes(protocol))
    throw field.get('protocol').invalid(`must be one of ${PROTOCOLS.join(', ')}`)
  return {
    name,
    number,
    targetPort: targetPort.isAbsent || targetPort.value === 0 ? number : readPort(targetPort),
    protocol,
  }
}

function readSelector(field: Field): Readonly<Record<string, string>> | undefined {
  return field.isAbsent ? undefined : field.get('labels').textMap()
}

/** What anybody may have written into the status: what of it cannot be read counts as not there. */
export function readAllocatedAddresses(entry: KubeObject): ServiceEntryFacts['allocated'] {
  try {
    const listed = fieldsOf(entry).get('status').get('addresses').list()
    return listed.flatMap((item) => {
      const ip = canonicalIp(item.get('value').text() ?? '')
      return ip === undefined ? [] : [{ host: item.get('host').text() ?? '', ip }]
    })
  } catch {
    return []
  }
}
