import { CLASS_IN, type DnsQuestion, recordTypes } from '@ambient/dns'
import type { Random } from '@ambient/lifecycle'
import { isAddressRange, isIpv6, type Service, type Workload } from '@ambient/model'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { preferredService } from '../state/preferred-service.ts'
import { candidateNames, wildcardNames } from './candidate-names.ts'

/** Who asks, and what is the same for all who ask. */
export interface DnsClient {
  readonly workload: Workload
  readonly clusterDomain: string
  /** Undefined for what Kubernetes gives a pod by its namespace. */
  readonly searchDomains: readonly string[] | undefined
  /** Breaks a tie between services of one name that are nobody's own and not canonical. */
  readonly preferredNamespace: string | undefined
  /** Whether AAAA records are given out. */
  readonly ipv6: boolean
  readonly random: Pick<Random, 'float'>
}

export type DnsVerdict =
  | {
      readonly kind: 'answer'
      /** Of the family asked for, in random order; empty when the name is known and has none. */
      readonly addresses: readonly string[]
      /** The records are those of this name, to which the one asked for is an alias. */
      readonly alias: string | undefined
    }
  | { readonly kind: 'forward' }

interface Match {
  readonly service: Service
  readonly alias: string | undefined
}

/**
 * What becomes of a question: addresses of the mesh's own services are answered, all else is for the cluster's name
 * servers. Pure.
 *
 * @see ztunnel `src/dns/server.rs`
 */
export function resolveQuestion(
  snapshot: MeshSnapshot,
  question: DnsQuestion,
  client: DnsClient,
): DnsVerdict {
  const isAddress = question.type === recordTypes.A || question.type === recordTypes.AAAA
  if (!isAddress || question.class !== CLASS_IN) return { kind: 'forward' }
  const match = findService(snapshot, question.name.toLowerCase(), client)
  if (match === undefined) return { kind: 'forward' }
  const addresses = addressesOf(snapshot, match.service, question.type, client)
  return { kind: 'answer', addresses, alias: addresses.length > 0 ? match.alias : undefined }
}

function findService(
  snapshot: MeshSnapshot,
  requested: string,
  { workload, clusterDomain, searchDomains, preferredNamespace }: DnsClient,
): Match | undefined {
  // Bytes that no service's name has, and a dot that parts no labels.
  if (requested === '' || requested.includes('\\')) return undefined
  for (const { name, stripped } of candidateNames(requested, {
    namespace: workload.namespace,
    clusterDomain,
    searchDomains,
  })) {
    for (const hostname of wildcardNames(name)) {
      const answerable = snapshot
        .servicesByHostname(hostname)
        .filter((service) => hasVip(service) || isHeadless(service, clusterDomain))
      const service = preferredService(answerable, workload.namespace, preferredNamespace)
      if (service !== undefined) return { service, alias: hostname === name ? stripped : undefined }
    }
  }
  return undefined
}

function addressesOf(
  snapshot: MeshSnapshot,
  service: Service,
  type: number,
  { workload, ipv6, random }: DnsClient,
): readonly string[] {
  const isWanted = (ip: string): boolean => isIpv6(ip) === (type === recordTypes.AAAA)
  if (
    type === recordTypes.AAAA
      ? !ipv6 || service.ipFamilies === 'ipv4-only'
      : service.ipFamilies === 'ipv6-only'
  )
    return []
  if (!hasVip(service)) return shuffled(endpointIps(snapshot, service, isWanted), random)
  const vips = service.addresses.filter(
    (address) => !isAddressRange(address) && address.network === workload.network && isWanted(address.ip),
  )
  return shuffled(
    vips.map(({ ip }) => ip),
    random,
  )
}

/** One address of each endpoint that connections would be given to. */
function endpointIps(
  snapshot: MeshSnapshot,
  service: Service,
  isWanted: (ip: string) => boolean,
): readonly string[] {
  const takesUnhealthy = service.loadBalancing?.healthPolicy === 'allow-all'
  const ips = [...snapshot.endpointsOf(service).workloads.values()]
    .filter(({ status }) => status === 'healthy' || takesUnhealthy)
    .flatMap(({ addresses }) => addresses.find(isWanted) ?? [])
  return [...new Set(ips)]
}

function hasVip({ addresses }: Service): boolean {
  return addresses.some((address) => !isAddressRange(address))
}

/** A ServiceEntry without addresses is no headless service: its hosts are for the name servers. */
function isHeadless({ hostname }: Service, clusterDomain: string): boolean {
  return hostname.endsWith(`.svc.${clusterDomain}`)
}

function shuffled(ips: readonly string[], random: Pick<Random, 'float'>): readonly string[] {
  return ips
    .map((ip) => ({ ip, order: random.float() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ ip }) => ip)
}
