export type PolicyScope = 'global' | 'namespace' | 'workload-selector'
export type PolicyAction = 'allow' | 'deny'

export type StringMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix' | 'suffix'; readonly value: string }
  /** Any value but the empty one. */
  | { readonly kind: 'presence' }

export interface IpPrefix {
  /** Canonical text. */
  readonly ip: string
  readonly length: number
}

export interface ServiceAccountMatch {
  readonly namespace: string
  readonly serviceAccount: string
}

/**
 * All lists must hold; a list holds when one entry does, a `not…` list when none does. A list that is absent or empty
 * says nothing, and a match that says nothing at all is skipped.
 */
export interface Match {
  readonly namespaces?: readonly StringMatch[]
  readonly notNamespaces?: readonly StringMatch[]
  /** Without `spiffe://`: `cluster.local/ns/shop/sa/web`. */
  readonly principals?: readonly StringMatch[]
  readonly notPrincipals?: readonly StringMatch[]
  readonly serviceAccounts?: readonly ServiceAccountMatch[]
  readonly notServiceAccounts?: readonly ServiceAccountMatch[]
  readonly sourceIps?: readonly IpPrefix[]
  readonly notSourceIps?: readonly IpPrefix[]
  readonly destinationIps?: readonly IpPrefix[]
  readonly notDestinationIps?: readonly IpPrefix[]
  readonly destinationPorts?: readonly number[]
  readonly notDestinationPorts?: readonly number[]
}

/** One of the matches must hold. */
export type Clause = readonly Match[]
/** All of the clauses must hold. */
export type Rule = readonly Clause[]

/** One L4 policy as it comes from the control plane: plain data that crosses threads. One of its rules must hold. */
export interface AuthorizationPolicy {
  readonly name: string
  readonly namespace: string
  readonly scope: PolicyScope
  readonly action: PolicyAction
  /** Evaluated and logged, never enforced. */
  readonly dryRun: boolean
  readonly rules: readonly Rule[]
}

/** The resource name and key of a policy: `namespace/name`. */
export function policyKey(policy: Pick<AuthorizationPolicy, 'namespace' | 'name'>): string {
  return `${policy.namespace}/${policy.name}`
}
