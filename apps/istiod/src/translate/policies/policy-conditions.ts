import { equalPlain } from '@ambient/collections'
import type { PeerAuthentication } from '@ambient/kube'
import type { Condition } from '../conditions.ts'
import type { Reading } from '../validated.ts'
import type { ConvertedPolicy, RuleFinding } from './convert-authorization-policy.ts'
import type { RequestAuthentication } from './request-authentication.ts'
import type { RuleEffect } from './rule-clauses.ts'

const TYPE = 'ZtunnelAccepted'
/** A message must fit in a status; who has more such rules has one thing to learn from it. */
const MAX_TOLD = 16

const EFFECTS: Readonly<Record<RuleEffect, string>> = {
  enforced: 'the rule is enforced',
  'left-out': 'the rule is left out and allows nothing',
  'denies-more': 'the rule is enforced without it and denies more than it says',
  'denies-less': 'alternatives that have nothing else are left out and deny nothing',
  'denies-nothing': 'the rule is left out and denies nothing',
}

/** Whether node proxies take an AuthorizationPolicy, what of it they cannot enforce, and what that means. */
export function authorizationConditions(
  reading: Reading<ConvertedPolicy>,
  inForce: ConvertedPolicy | undefined,
): readonly Condition[] {
  if (reading.kind === 'bad') {
    if (reading.closed?.kind === 'for-waypoints') return []
    const closed =
      reading.closed?.kind === 'sent' ? 'nothing is allowed in its scope' : 'nothing of it is enforced'
    return [invalid(reading, inForce, closed)]
  }
  const converted = reading.value
  switch (converted.kind) {
    case 'for-waypoints':
      return []
    case 'not-sent':
      return [condition('False', 'UnsupportedValue', `${converted.reason}: nothing of it is enforced`)]
    case 'sent':
      return [sentCondition(converted)]
  }
}

/**
 * Whether node proxies take a PeerAuthentication, and what of it does not count.
 *
 * @param elderOf The one that counts in its place, if there is one.
 */
export function peerConditions(
  reading: Reading<PeerAuthentication>,
  inForce: PeerAuthentication | undefined,
  elderOf: (one: PeerAuthentication) => PeerAuthentication | undefined,
): readonly Condition[] {
  if (reading.kind === 'bad') return [invalid(reading, inForce, 'plaintext is refused in its scope')]
  const { level, ignored } = reading.value
  const elder = level === 'none' ? undefined : elderOf(reading.value)
  if (elder !== undefined) {
    const message = `PeerAuthentication ${elder.namespace}/${elder.name} for the same workloads is older and counts: nothing of it is enforced`
    return [condition('False', 'Conflicted', message)]
  }
  if (ignored.length === 0) return [condition('True', 'Accepted', 'attached to ztunnel')]
  return [condition(level === 'none' ? 'False' : 'True', 'UnsupportedValue', `${ignored.join('. ')}.`)]
}

/** A RequestAuthentication is for waypoints: one without targets is enforced nowhere in an ambient mesh. */
export function requestConditions(reading: Reading<RequestAuthentication>): readonly Condition[] {
  const targets = reading.kind === 'good' ? reading.value.targets : (reading.closed?.targets ?? [])
  if (targets.length > 0) return []
  const message =
    reading.kind === 'bad'
      ? `${reading.problem}; nothing of it is enforced until it is corrected`
      : 'ztunnel does not support request authentication: nothing of it is enforced. Use a waypoint and targetRefs.'
  return [condition('False', reading.kind === 'bad' ? 'Invalid' : 'UnsupportedValue', message)]
}

function sentCondition({ policy, findings }: Extract<ConvertedPolicy, { kind: 'sent' }>): Condition {
  const told = findings.flatMap((finding, index) => ruleSentences(finding, index))
  const empty = emptySentences(policy.action, findings)
  if (told.length === 0 && empty.length === 0) return condition('True', 'Accepted', 'attached to ztunnel')
  const isL7 = findings.some(({ unsupported }) => unsupported.length > 0)
  const rest = told.length > MAX_TOLD ? [`So it is with ${told.length - MAX_TOLD} more`] : []
  const sentences = [
    ...(isL7 ? ['ztunnel sees no HTTP'] : []),
    ...told.slice(0, MAX_TOLD),
    ...rest,
    ...empty,
    ...(isL7 ? ['To enforce HTTP attributes, use a waypoint and targetRefs'] : []),
  ]
  const reason = told.length === 0 ? 'Accepted' : 'UnsupportedValue'
  return condition('True', reason, `${sentences.join('. ')}.`)
}

function ruleSentences({ effect, unsupported, ignored }: RuleFinding, index: number): readonly string[] {
  const l7 = [...new Set(unsupported)].toSorted().join(', ')
  return [
    ...(l7 === '' ? [] : [`rules[${index}] has ${l7}: ${EFFECTS[effect]}`]),
    ...(ignored.length === 0
      ? []
      : [
          `rules[${index}] has values that are no ports and do not count: ${ignored.slice(0, MAX_TOLD).join(', ')}`,
        ]),
  ]
}

/** What a policy amounts to when no rule of it does anything. */
function emptySentences(action: 'allow' | 'deny', findings: readonly RuleFinding[]): readonly string[] {
  const idle: RuleEffect = action === 'allow' ? 'left-out' : 'denies-nothing'
  if (findings.some(({ effect }) => effect !== idle)) return []
  if (action === 'deny') return ['No rule of it can match: the policy denies nothing']
  return ['No rule of it can match: nothing is allowed in its scope']
}

function invalid<V>(
  reading: Extract<Reading<V>, { kind: 'bad' }>,
  inForce: V | undefined,
  closed: string,
): Condition {
  const isClosed = equalPlain(inForce, reading.closed)
  const consequence = isClosed
    ? `${closed} until it is corrected`
    : 'its last good version stays in force until it is corrected'
  return condition('False', 'Invalid', `${reading.problem}; ${consequence}`)
}

function condition(status: Condition['status'], reason: string, message: string): Condition {
  return { type: TYPE, status, reason, message }
}
