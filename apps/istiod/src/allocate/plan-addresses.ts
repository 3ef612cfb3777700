import { ipToBytes, isIpv6, prefixMatches } from '@ambient/model'
import type { AddressClaim, HostAddress } from '../translate/entries/address-claims.ts'
import { AddressPool, type AddressPrefix, type UsedAddresses } from './address-pool.ts'

export interface AddressRanges {
  readonly ipv4: AddressPrefix
  readonly ipv6: AddressPrefix
}

/** What was given out last of each family. */
export interface Cursors {
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
}

export interface AddressWrite {
  readonly claim: AddressClaim
  /** All that its status is to have; nothing takes away what was there. */
  readonly addresses: readonly HostAddress[]
  /** What it had and somebody else has too, who keeps it. */
  readonly taken: readonly HostAddress[]
}

export interface AddressPlan {
  readonly writes: readonly AddressWrite[]
  /** Hosts for which a range had nothing left, with the family. */
  readonly exhausted: readonly {
    readonly claim: AddressClaim
    readonly host: string
    readonly family: Family
  }[]
  readonly cursors: Cursors
}

type Family = keyof AddressRanges

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

/**
 * Who is to have which virtual IP. What an entry has it keeps, unless the user has given the address to somebody, or an
 * older entry has it; then it gets another. The plan of what has been carried out is empty. Pure.
 */
export function planAddresses(
  claims: readonly AddressClaim[],
  ranges: AddressRanges,
  cursors: Cursors,
): AddressPlan {
  const ordered = claims.toSorted(byAge)
  const { kept, used } = keep(ordered)
  const pools = {
    ipv4: new AddressPool(ranges.ipv4, used, cursors.ipv4),
    ipv6: new AddressPool(ranges.ipv6, used, cursors.ipv6),
  }
  const last: { -readonly [family in Family]: Cursors[family] } = { ...cursors }
  const exhausted: AddressPlan['exhausted'][number][] = []
  const complete = (claim: AddressClaim, host: string): readonly HostAddress[] => {
    const own = (kept.get(claim) ?? []).filter((each) => each.host === host)
    const added = FAMILIES.filter((family) => !own.some(({ ip }) => familyOf(ip) === family)).flatMap(
      (family) => {
        const ip = pools[family].take()
        if (ip === undefined) {
          exhausted.push({ claim, host, family })
          return []
        }
        last[family] = ip
        return [{ host, ip }]
      },
    )
    return [...own, ...added]
  }
  const writes = ordered.flatMap((claim) => {
    if (claim.wanted === undefined) return []
    const addresses = claim.wanted.flatMap((host) => complete(claim, host))
    if (isSame(addresses, claim.allocated)) return []
    const taken = claim.allocated.filter(
      (each) => claim.wanted?.includes(each.host) === true && kept.get(claim)?.includes(each) !== true,
    )
    return [{ claim, addresses, taken }]
  })
  return { writes, exhausted, cursors: last }
}

/** What each keeps of what it has: first what nobody here can change, then the older before the younger. */
function keep(ordered: readonly AddressClaim[]): {
  readonly kept: ReadonlyMap<AddressClaim, readonly HostAddress[]>
  readonly used: UsedAddresses
} {
  const given = ordered.flatMap((claim) => claim.given)
  const ranges = given.filter((each) => each.length < bitsOf(each.ip))
  const single = new Set(given.filter((each) => each.length === bitsOf(each.ip)).map(({ ip }) => ip))
  for (const { wanted, allocated } of ordered)
    if (wanted === undefined) for (const { ip } of allocated) single.add(ip)
  const kept = new Map<AddressClaim, readonly HostAddress[]>()
  for (const claim of ordered) {
    const { wanted, allocated } = claim
    if (wanted === undefined) continue
    const own = allocated.filter(({ host, ip }) => {
      if (!wanted.includes(host) || single.has(ip) || ranges.some((range) => isIn(range, ip))) return false
      return single.add(ip)
    })
    kept.set(claim, own)
  }
  return { kept, used: { single, ranges } }
}

function isIn(range: AddressPrefix, ip: string): boolean {
  const [prefix, bytes] = [ipToBytes(range.ip), ipToBytes(ip)]
  return prefix !== undefined && bytes !== undefined && prefixMatches(prefix, range.length, bytes)
}

function bitsOf(ip: string): number {
  return isIpv6(ip) ? 128 : 32
}

function isSame(a: readonly HostAddress[], b: readonly HostAddress[]): boolean {
  return a.length === b.length && a.every(({ host, ip }, i) => host === b[i]?.host && ip === b[i]?.ip)
}

function familyOf(ip: string): Family {
  return isIpv6(ip) ? 'ipv6' : 'ipv4'
}

function byAge(a: AddressClaim, b: AddressClaim): number {
  const age = Date.parse(a.createdAt) - Date.parse(b.createdAt)
  if (age !== 0 && !Number.isNaN(age)) return age
  return `${a.ref.namespace}/${a.ref.name}` < `${b.ref.namespace}/${b.ref.name}` ? -1 : 1
}
