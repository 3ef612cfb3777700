import type { AuthorizationPolicy, Match, StringMatch } from '@ambient/policy'

/** Stands for the mesh's own trust domain in any policy, whatever that is called. */
const LOCAL = 'cluster.local'

/**
 * The same policy, with each principal of one of the mesh's trust domains repeated for the others: an identity is the
 * same under every alias. Principals of foreign trust domains, and those of any, stay as they are. Pure.
 *
 * @param trustDomains The mesh's own first.
 */
export function expandTrustDomains(
  policy: AuthorizationPolicy,
  trustDomains: readonly string[],
): AuthorizationPolicy {
  if (trustDomains.length === 1 && trustDomains[0] === LOCAL) return policy
  const expand = (matches: readonly StringMatch[]): readonly StringMatch[] =>
    distinct(matches.flatMap((match) => expandPrincipal(match, trustDomains)))
  const rules = policy.rules.map((rule) =>
    rule.map((clause) => clause.map((match) => mapPrincipals(match, expand))),
  )
  return { ...policy, rules }
}

function mapPrincipals(
  match: Match,
  expand: (matches: readonly StringMatch[]) => readonly StringMatch[],
): Match {
  const { principals, notPrincipals } = match
  return {
    ...match,
    ...(principals === undefined ? {} : { principals: expand(principals) }),
    ...(notPrincipals === undefined ? {} : { notPrincipals: expand(notPrincipals) }),
  }
}

/** One principal under each of the mesh's trust domains, if it is of one of them. */
export function expandPrincipal(match: StringMatch, trustDomains: readonly string[]): readonly StringMatch[] {
  if (match.kind === 'presence') return [match]
  const slash = match.value.indexOf('/')
  if (slash < 0) return [match]
  const domain = match.value.slice(0, slash)
  const rest = match.value.slice(slash)
  if (match.kind === 'suffix') return expandSuffix(match, { domain, rest }, trustDomains)
  if (domain !== LOCAL && !trustDomains.includes(domain)) return [match]
  return trustDomains.map((each) => ({ kind: match.kind, value: `${each}${rest}` }))
}

/** `*-old/ns/shop/sa/web` takes every trust domain that ends so; those that do not are named besides. */
function expandSuffix(
  match: StringMatch,
  { domain, rest }: { readonly domain: string; readonly rest: string },
  trustDomains: readonly string[],
): readonly StringMatch[] {
  const isWhole = rest.split('/').length === 5
  const isKnown = LOCAL.endsWith(domain) || trustDomains.some((each) => each.endsWith(domain))
  if (domain === '' || !isWhole || !isKnown) return [match]
  const others = trustDomains.filter((each) => !each.endsWith(domain))
  return [match, ...others.map((each): StringMatch => ({ kind: 'exact', value: `${each}${rest}` }))]
}

function distinct(matches: readonly StringMatch[]): readonly StringMatch[] {
  const seen = new Set<string>()
  return matches.filter((match) => {
    const key = JSON.stringify(match)
    return seen.has(key) ? false : seen.add(key)
  })
}
