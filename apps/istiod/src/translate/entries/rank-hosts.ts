import type { EntryVisibility } from '../config/mesh-config.ts'

/** A ServiceEntry that speaks for one host. */
export interface HostClaim {
  /** `namespace/name` of the ServiceEntry. */
  readonly entry: string
  readonly namespace: string
  readonly host: string
  readonly createdAt: string
  readonly visibility: Exclude<EntryVisibility, 'none'>
}

export type HostVerdict =
  | { readonly kind: 'won'; readonly isCanonical: boolean }
  /** Who has the host in this namespace: an older ServiceEntry, or a Service. */
  | { readonly kind: 'lost'; readonly to: string }

/**
 * Who speaks for a host: in each namespace its Service, or else the oldest ServiceEntry. Of those of all namespaces one
 * is canonical, which clients of other namespaces use: the Service, or else the oldest that is public. Pure.
 *
 * @param claims All for the same host, in any order.
 * @param serviceIn The namespace of the Service that has this host name, if there is one.
 */
export function rankHost(
  claim: HostClaim,
  claims: readonly HostClaim[],
  serviceIn: string | undefined,
): HostVerdict {
  if (serviceIn === claim.namespace) return { kind: 'lost', to: 'a Service' }
  const winner = oldest(claims.filter((each) => each.namespace === claim.namespace))
  if (winner !== undefined && winner.entry !== claim.entry)
    return { kind: 'lost', to: `ServiceEntry ${winner.entry}` }
  if (serviceIn !== undefined) return { kind: 'won', isCanonical: false }
  const winners = [...Map.groupBy(claims, (each) => each.namespace).values()].flatMap(
    (group) => oldest(group) ?? [],
  )
  const canonical = oldest(winners.filter((each) => each.visibility === 'public'))
  return { kind: 'won', isCanonical: canonical?.entry === claim.entry }
}

function oldest(claims: readonly HostClaim[]): HostClaim | undefined {
  return claims.toSorted(byAge)[0]
}

function byAge(a: HostClaim, b: HostClaim): number {
  const age = Date.parse(a.createdAt) - Date.parse(b.createdAt)
  return age === 0 || Number.isNaN(age) ? (a.entry < b.entry ? -1 : 1) : age
}
