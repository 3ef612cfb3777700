import { fieldsOf, type Field, type KubeObject } from '@ambient/kube'
import type { AuthorizationPolicy, PolicyAction, PolicyScope, Rule } from '@ambient/policy'
import { convertRule } from './rule-clauses.ts'

/** What became of an AuthorizationPolicy. */
export type ConvertedPolicy =
  | {
      readonly kind: 'sent'
      readonly policy: AuthorizationPolicy
      /** Present exactly when the scope is `workload-selector`. */
      readonly selector: Readonly<Record<string, string>> | undefined
      /** What could not be enforced at L4; empty when everything is. */
      readonly unsupported: readonly string[]
    }
  /** Not for node proxies, or not to be enforced at all; `reason` is for its status. */
  | { readonly kind: 'not-sent'; readonly reason: string }

const DRY_RUN = 'istio.io/dry-run'

/**
 * @param policy An AuthorizationPolicy.
 * @throws {KubeError} `OBJECT_INVALID`: then `closedPolicy` says what stands in for it.
 * @see istiod.md 6.2
 */
export function convertAuthorizationPolicy(policy: KubeObject, rootNamespace: string): ConvertedPolicy {
  const spec = fieldsOf(policy).get('spec')
  if (!spec.get('targetRefs').isAbsent || !spec.get('targetRef').isAbsent) {
    return { kind: 'not-sent', reason: 'it has targetRefs, so it is for waypoints' }
  }
  const action = readAction(spec.get('action'))
  if (action === 'AUDIT' || action === 'CUSTOM')
    return { kind: 'not-sent', reason: `node proxies have no action ${action}` }
  if (policy.metadata.annotations[DRY_RUN] === 'true') {
    return { kind: 'not-sent', reason: 'it is a dry run, and dry runs are not switched on' }
  }
  const { namespace = '', name } = policy.metadata
  const { scope, selector } = readScope(spec.get('selector'), namespace === rootNamespace)
  const verdict: PolicyAction = action === 'DENY' ? 'deny' : 'allow'
  const converted = spec
    .get('rules')
    .list()
    .map((rule) => convertRule(rule, verdict, namespace))
  const rules = converted.flatMap(({ rule }): readonly Rule[] => (rule === undefined ? [] : [rule]))
  return {
    kind: 'sent',
    policy: { name, namespace, scope, action: verdict, dryRun: false, rules },
    selector,
    unsupported: [...new Set(converted.flatMap(({ unsupported }) => unsupported))].toSorted(),
  }
}

/**
 * What stands in for a policy that cannot be understood and never could: nothing is allowed in its scope, and if its
 * selector cannot be read either, in its whole namespace. Anything else would open what somebody meant to close.
 */
export function closedPolicy(policy: KubeObject, rootNamespace: string): ConvertedPolicy {
  const { namespace = '', name } = policy.metadata
  const isRoot = namespace === rootNamespace
  const closed = { name, namespace, action: 'allow', dryRun: false, rules: [] } as const
  try {
    const { scope, selector } = readScope(fieldsOf(policy).get('spec').get('selector'), isRoot)
    return { kind: 'sent', policy: { ...closed, scope }, selector, unsupported: [] }
  } catch {
    const scope = isRoot ? 'global' : 'namespace'
    return { kind: 'sent', policy: { ...closed, scope }, selector: undefined, unsupported: [] }
  }
}

function readAction(field: Field): string {
  const action = field.text() ?? 'ALLOW'
  if (!['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'].includes(action))
    throw field.invalid('must be ALLOW, DENY, AUDIT or CUSTOM')
  return action
}

function readScope(
  selector: Field,
  isRoot: boolean,
): { readonly scope: PolicyScope; readonly selector: Readonly<Record<string, string>> | undefined } {
  if (selector.isAbsent) return { scope: isRoot ? 'global' : 'namespace', selector: undefined }
  const other = Object.keys(selector.record()).find((name) => name !== 'matchLabels')
  if (other !== undefined) throw selector.get(other).invalid('is no field of a selector; only matchLabels is')
  return { scope: 'workload-selector', selector: selector.get('matchLabels').textMap() }
}
