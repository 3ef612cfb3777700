import type { Decision } from '@ambient/policy'
import type { ReasonCode } from '@ambient/telemetry'

export type Denial =
  | { readonly kind: 'allowed' }
  | {
      readonly kind: 'denied'
      readonly reason: ReasonCode
      readonly detail: string
      /** `ns/name` of the policy that refused, or of those of which one had to allow. */
      readonly policy?: string
    }

/** So many are named; the log is no place for a whole policy set. */
const NAMED_POLICIES = 3

/**
 * A decision in the words of upstream's log, with the reason code that goes everywhere unchanged.
 *
 * @param when `change`: of a connection that had been let in.
 */
export function denialOf(decision: Decision, when: 'rejection' | 'change' = 'rejection'): Denial {
  if (decision.verdict === 'allow') return { kind: 'allowed' }
  const { because } = decision
  const prefix = `connection closed due to policy ${when}`
  switch (because.kind) {
    case 'policy':
      return {
        kind: 'denied',
        reason: 'POLICY_DENIED',
        detail: `${prefix}: explicitly denied by: ${because.policy}`,
        policy: because.policy,
      }
    case 'no-policy-matched':
      return {
        kind: 'denied',
        reason: 'NO_ALLOW_POLICY_MATCHED',
        detail: `${prefix}: allow policies exist, but none allowed`,
        policy: nameSome(because.policies),
      }
    case 'policy-unknown':
      return {
        kind: 'denied',
        reason: 'POLICY_UNKNOWN',
        detail: `${prefix}: policy ${because.policy} is referenced but not known`,
        policy: because.policy,
      }
  }
}

function nameSome(policies: readonly string[]): string {
  const more = policies.length - NAMED_POLICIES
  return policies.slice(0, NAMED_POLICIES).join(',') + (more > 0 ? `,and ${more} more` : '')
}

/** The policy that let a connection in, for the list of live connections. */
export function admittedBy(decision: Decision): string | undefined {
  return decision.verdict === 'allow' && decision.because.kind === 'policy'
    ? decision.because.policy
    : undefined
}
