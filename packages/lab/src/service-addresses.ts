import type { UnknownRecord } from '@ambient/kube'
import { addressesOf, familyOfIp, type LabFamily } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'

export interface ServiceSituation {
  /** What the service had when it was applied before. */
  readonly before: readonly string[]
  /** By all services. */
  readonly taken: readonly string[]
  /** Of the lab, the primary one first. */
  readonly families: readonly LabFamily[]
}

const NAMES: Readonly<Record<LabFamily, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

/**
 * The fields of a Service's spec that the API server fills in: its families, as its `ipFamilyPolicy` asks, and an address of
 * each. One that names an address itself keeps it. Pure.
 *
 * @throws {LabError} `MANIFEST_INVALID` when it requires two families and the lab has one
 */
export function giveAddresses(spec: UnknownRecord, situation: ServiceSituation): UnknownRecord {
  if (spec['type'] === 'ExternalName') return {}
  const families = familiesOf(spec, situation.families)
  const names = { ipFamilies: families.map((family) => NAMES[family]) }
  if (spec['clusterIP'] === 'None') return { ...names, clusterIPs: ['None'] }
  const own = typeof spec['clusterIP'] === 'string' ? [spec['clusterIP']] : []
  const listed: readonly unknown[] = Array.isArray(spec['clusterIPs']) ? spec['clusterIPs'] : []
  const known = [...own, ...listed.map(String), ...situation.before]
  const clusterIPs = families.map(
    (family) => known.find((ip) => familyOfIp(ip) === family) ?? freeAddress(family, situation.taken),
  )
  return { ...names, clusterIP: clusterIPs[0], clusterIPs }
}

function familiesOf(spec: UnknownRecord, lab: readonly LabFamily[]): readonly LabFamily[] {
  const policy = spec['ipFamilyPolicy'] ?? 'SingleStack'
  if (policy === 'RequireDualStack' && lab.length < 2)
    throw new LabError('MANIFEST_INVALID', 'A service requires two IP families, and this lab has one')
  const listed: readonly unknown[] = Array.isArray(spec['ipFamilies']) ? spec['ipFamilies'] : []
  const asked = listed.flatMap((name) => lab.find((family) => NAMES[family] === name) ?? [])
  const inOrder = [...new Set([...asked, ...lab])]
  return policy === 'SingleStack' ? inOrder.slice(0, 1) : inOrder
}

function freeAddress(family: LabFamily, taken: readonly string[]): string {
  const candidates = Array.from({ length: taken.length + 1 }, (_, n) => addressesOf(family).clusterIp(n))
  return candidates.find((ip) => !taken.includes(ip)) ?? ''
}
