import { ipToBytes } from '@ambient/model'
import { type SpiffeId, spiffeParts } from '@ambient/spiffe'
import type { AuthorizationPolicy } from './authorization-policy.ts'
import type { ConnectionFacts } from './compile-match.ts'
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts'

/** One connection as the server's node sees it: destination port after service ports are resolved, never 15008. */
export interface ConnectionAttempt {
  /** From the peer's verified certificate; `undefined` for plaintext. */
  readonly sourceIdentity: SpiffeId | undefined
  readonly sourceIp: string
  readonly destinationIp: string
  readonly destinationPort: number
}

/** What the dry-run policies would have said. */
export type DryRunFinding =
  | { readonly kind: 'would-deny' | 'would-allow'; readonly policy: string }
  /** There are dry-run ALLOW policies, and none of them matched. */
  | { readonly kind: 'would-allow-nothing' }

export type Decision =
  | {
      readonly verdict: 'allow'
      readonly because:
        | { readonly kind: 'no-allow-policy' }
        | { readonly kind: 'policy'; readonly policy: string }
      readonly dryRun: readonly DryRunFinding[]
    }
  | {
      readonly verdict: 'deny'
      readonly because:
        | { readonly kind: 'policy'; readonly policy: string }
        /** The ALLOW policies of which one had to match. */
        | { readonly kind: 'no-policy-matched'; readonly policies: readonly string[] }
        /** The workload names a policy that has not arrived; until it has, nobody can say it would allow. */
        | { readonly kind: 'policy-unknown'; readonly policy: string }
      readonly dryRun: readonly DryRunFinding[]
    }

/** The policies of one workload, made ready once and asked for each connection. */
export interface CompiledPolicies {
  /** Pure. Work depends on the policies of this workload only. */
  decide(attempt: ConnectionAttempt): Decision
}

const NO_ADDRESS = new Uint8Array(0)

/**
 * A matching DENY wins; then a policy that is named but not known denies; then, if any ALLOW policy exists, one of
 * them must match. Dry-run policies are only reported. Pure.
 */
export function decide(policies: readonly AuthorizationPolicy[], attempt: ConnectionAttempt): Decision {
  return compilePolicies(policies).decide(attempt)
}

/** @param unknown Names `ns/name` of policies the workload refers to that are not loaded: each fails closed. */
export function compilePolicies(
  policies: readonly AuthorizationPolicy[],
  unknown: readonly string[] = [],
): CompiledPolicies {
  return joinPolicies(policies.map(compilePolicy), unknown)
}

/** As `compilePolicies`, for a caller that keeps each policy compiled and joins them per workload. */
export function joinPolicies(
  policies: readonly CompiledPolicy[],
  unknown: readonly string[] = [],
): CompiledPolicies {
  const enforced = policies.filter((policy) => !policy.dryRun)
  const dryRun = policies.filter((policy) => policy.dryRun)
  const denies = enforced.filter((policy) => policy.action === 'deny')
  const allows = enforced.filter((policy) => policy.action === 'allow')
  const notMatched = { kind: 'no-policy-matched', policies: allows.map((policy) => policy.key) } as const
  const [missing] = unknown
  return {
    decide(attempt) {
      const facts = factsOf(attempt)
      const findings = findDryRun(dryRun, facts)
      const denied = denies.find((policy) => policy.matches(facts))
      if (denied !== undefined) return deny({ kind: 'policy', policy: denied.key }, findings)
      if (missing !== undefined) return deny({ kind: 'policy-unknown', policy: missing }, findings)
      if (allows.length === 0)
        return { verdict: 'allow', because: { kind: 'no-allow-policy' }, dryRun: findings }
      const allowed = allows.find((policy) => policy.matches(facts))
      if (allowed === undefined) return deny(notMatched, findings)
      return { verdict: 'allow', because: { kind: 'policy', policy: allowed.key }, dryRun: findings }
    },
  }
}

function deny(
  because: Extract<Decision, { verdict: 'deny' }>['because'],
  dryRun: readonly DryRunFinding[],
): Decision {
  return { verdict: 'deny', because, dryRun }
}

function factsOf(attempt: ConnectionAttempt): ConnectionFacts {
  const id = attempt.sourceIdentity
  const parts = id === undefined ? undefined : spiffeParts(id)
  return {
    principal: id === undefined ? '' : id.slice('spiffe://'.length),
    namespace: parts?.namespace ?? '',
    serviceAccount: parts?.serviceAccount ?? '',
    sourceIp: ipToBytes(attempt.sourceIp) ?? NO_ADDRESS,
    destinationIp: ipToBytes(attempt.destinationIp) ?? NO_ADDRESS,
    destinationPort: attempt.destinationPort,
  }
}

function findDryRun(policies: readonly CompiledPolicy[], facts: ConnectionFacts): readonly DryRunFinding[] {
  const findings: DryRunFinding[] = []
  for (const policy of policies) {
    if (!policy.matches(facts)) continue
    findings.push({ kind: policy.action === 'deny' ? 'would-deny' : 'would-allow', policy: policy.key })
  }
  const hasAllow = policies.some((policy) => policy.action === 'allow')
  if (hasAllow && !findings.some((finding) => finding.kind === 'would-allow')) {
    findings.push({ kind: 'would-allow-nothing' })
  }
  return findings
}
