import { LabError } from './lab-error.ts'

/** Addresses of a lab. They exist in its namespaces only, so every lab has the same. */
export type LabFamily = 'ipv4' | 'ipv6'

/** Which addresses pods and services have, `dual` those of IPv4 first. Nodes have IPv4 in every lab. */
export type LabFamilies = LabFamily | 'dual'

export const labFamilies: Readonly<Record<LabFamilies, readonly LabFamily[]>> = {
  ipv4: ['ipv4'],
  ipv6: ['ipv6'],
  dual: ['ipv4', 'ipv6'],
}

export const CLUSTER_DOMAIN = 'cluster.local'
/** Node names and addresses are numbered, and pod networks are 10.244.N.0/24. */
export const MAX_NODES = 100

interface FamilyAddresses {
  readonly fabric: string
  readonly fabricPrefixLength: number
  readonly services: string
  readonly dns: string
  readonly everywhere: string
  node(index: number): string
  pods(index: number): string
  /** The n-th ClusterIP given out, from 0; those below are for fixed use. */
  clusterIp(n: number): string
}

const addresses: Readonly<Record<LabFamily, FamilyAddresses>> = {
  ipv4: {
    fabric: '172.30.0.1',
    fabricPrefixLength: 24,
    services: '10.96.0.0/16',
    dns: '10.96.0.10',
    everywhere: '0.0.0.0/0',
    node: (index) => `172.30.0.${10 + index}`,
    pods: (index) => `10.244.${index}.0/24`,
    clusterIp: (n) => `10.96.${1 + Math.floor(n / 250)}.${1 + (n % 250)}`,
  },
  ipv6: {
    fabric: 'fd00:172:30::1',
    fabricPrefixLength: 64,
    services: 'fd00:10:96::/112',
    dns: 'fd00:10:96::a',
    everywhere: '::/0',
    node: (index) => `fd00:172:30::${(16 + index).toString(16)}`,
    pods: (index) => `fd00:10:244:${index.toString(16)}::/64`,
    clusterIp: (n) => `fd00:10:96::${(0x100 + n).toString(16)}`,
  },
}

export function addressesOf(family: LabFamily): FamilyAddresses {
  return addresses[family]
}

export function familyOfIp(ip: string): LabFamily {
  return ip.includes(':') ? 'ipv6' : 'ipv4'
}

/** The node's address under which its own programs are reached, in every lab. @param index From 1, as in the node's name. */
export function nodeIp(index: number): string {
  return addresses.ipv4.node(index)
}

/** @throws {LabError} `MANIFEST_INVALID` */
export function parseFamilies(text: string): LabFamilies {
  if (text === 'ipv4' || text === 'ipv6' || text === 'dual') return text
  throw new LabError('MANIFEST_INVALID', `--families must be ipv4, ipv6 or dual: "${text}"`)
}
