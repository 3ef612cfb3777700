/** A name that the client may have meant. */
export interface CandidateName {
  readonly name: string
  /** What was left of the requested name without a search domain, if this came of it. */
  readonly stripped: string | undefined
}

export interface NameScope {
  /** The client's. */
  readonly namespace: string
  readonly clusterDomain: string
  /** Undefined for what Kubernetes gives a pod by its namespace. */
  readonly searchDomains: readonly string[] | undefined
}

/**
 * The names under which a service may be known, most literal first: the requested one, what Kubernetes makes of it, and
 * the same for each search domain that it ends in. A pod's own search list is not read: one that is redirected to us has
 * the default one nearly always. Pure.
 *
 * @param requested In lower case, without a last dot.
 * @see ztunnel `src/dns/server.rs`
 */
export function candidateNames(requested: string, scope: NameScope): readonly CandidateName[] {
  const found = new Map<string, CandidateName>()
  const add = (name: string, stripped: string | undefined): void => {
    if (!found.has(name)) found.set(name, { name, stripped })
  }
  for (const name of [requested, ...expansions(requested, scope)]) add(name, undefined)
  for (const domain of domainsOf(scope)) {
    if (!requested.endsWith(`.${domain}`)) continue
    const stripped = requested.slice(0, -domain.length - 1)
    for (const name of [stripped, ...expansions(stripped, scope)]) add(name, stripped)
  }
  return [...found.values()]
}

/** The name itself, then the wildcards that cover it, narrowest first. */
export function* wildcardNames(name: string): Generator<string> {
  yield name
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) yield `*${name.slice(dot)}`
}

function domainsOf({ namespace, clusterDomain, searchDomains }: NameScope): readonly string[] {
  return searchDomains ?? [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
}

/** What a service, or a pod of a headless one, is called in full. */
function expansions(name: string, { namespace, clusterDomain }: NameScope): readonly string[] {
  const isOfServices = name.endsWith('.svc')
  switch (name.split('.').length) {
    case 1:
      return [`${name}.${namespace}.svc.${clusterDomain}`]
    case 2:
      return [`${name}.svc.${clusterDomain}`, `${name}.${namespace}.svc.${clusterDomain}`]
    case 3:
      return [...(isOfServices ? [`${name}.${clusterDomain}`] : []), `${name}.svc.${clusterDomain}`]
    case 4:
      return isOfServices ? [`${name}.${clusterDomain}`] : []
    default:
      return []
  }
}
