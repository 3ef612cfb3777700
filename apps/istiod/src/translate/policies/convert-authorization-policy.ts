import { fieldsOf, type Field, type KubeObject } from '@ambient/kube'
import type { AuthorizationPolicy, PolicyAction, PolicyScope, Rule } from '@ambient/policy'
import type { MeshOptions } from '../mesh-options.ts'
import { type ConvertedRule, convertRule } from './rule-clauses.ts'
import { readTargetRefs, type TargetRef } from './target-refs.ts'

type ConversionOptions = Pick<MeshOptions, 'rootNamespace' | 'dryRunPolicies'>

/** What became of an AuthorizationPolicy. */
export type ConvertedPolicy =
  /** For node proxies. */
  | {
      readonly kind: 'sent'
      readonly policy: AuthorizationPolicy
      /** Present exactly when the scope is `workload-selector`. */
      readonly selector: Labels | undefined
      /** What became of each of its rules, in their order. */
      readonly findings: readonly RuleFinding[]
    }
  /** For waypoints, which look at its targets and never at selectors. */
  | {
      readonly kind: 'for-waypoints'
      readonly targets: readonly TargetRef[]
      /** Whether it keeps anything out: an audit or a dry run does not. */
      readonly isEnforced: boolean
    }
  /** Not to be enforced by node proxies, for a reason of the whole policy. */
  | { readonly kind: 'not-sent'; readonly reason: string }

export type RuleFinding = Pick<ConvertedRule, 'effect' | 'unsupported' | 'ignored'>

type Labels = Readonly<Record<string, string>>

const DRY_RUN = 'istio.io/dry-run'
/** What Go takes for true. */
const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True']

/**
 * @param policy An AuthorizationPolicy.
 * @throws {KubeError} `OBJECT_INVALID`: then `closedPolicy` says what stands in for it.
 * @see istiod.md 6.2
 */
export function convertAuthorizationPolicy(policy: KubeObject, options: ConversionOptions): ConvertedPolicy {
  const spec = fieldsOf(policy).get('spec')
  spec.refuseOthers(['selector', 'targetRef', 'targetRefs', 'rules', 'action', 'provider'])
  const action = readAction(spec.get('action'))
  checkProvider(spec.get('provider'), action)
  const { namespace = '', name } = policy.metadata
  const verdict: PolicyAction = action === 'DENY' ? 'deny' : 'allow'
  const converted = spec
    .get('rules')
    .list()
    .map((rule) => convertRule(rule, verdict, namespace))
  const targets = readTargetRefs(spec)
  const dryRun = isDryRun(policy)
  if (targets.length > 0) return { kind: 'for-waypoints', targets, isEnforced: action !== 'AUDIT' && !dryRun }
  const { scope, selector } = readScope(spec.get('selector'), namespace === options.rootNamespace)
  const reason = whyNotSent(action, dryRun && !options.dryRunPolicies)
  if (reason !== undefined) return { kind: 'not-sent', reason }
  const rules = converted.flatMap(({ rule }): readonly Rule[] => (rule === undefined ? [] : [rule]))
  return {
    kind: 'sent',
    policy: { name, namespace, scope, action: verdict, dryRun, rules },
    selector,
    findings: converted.map(({ effect, unsupported, ignored }) => ({ effect, unsupported, ignored })),
  }
}

/**
 * What stands in for a policy that cannot be understood and never could: nothing is allowed in its scope, and if its
 * selector cannot be read either, in its whole namespace. Anything else would open what somebody meant to close. One
 * that would not be enforced by node proxies in any case, whatever it says, closes nothing there.
 */
export function closedPolicy(policy: KubeObject, { rootNamespace }: ConversionOptions): ConvertedPolicy {
  const spec = fieldsOf(policy).get('spec')
  const targets = attempt(() => readTargetRefs(spec))
  const action = attempt(() => readAction(spec.get('action'))) ?? 'ALLOW'
  if (targets !== undefined && targets.length > 0)
    return { kind: 'for-waypoints', targets, isEnforced: action !== 'AUDIT' && !isDryRun(policy) }
  const reason = whyNotSent(action, isDryRun(policy))
  if (reason !== undefined) return { kind: 'not-sent', reason }
  const { namespace = '', name } = policy.metadata
  const isRoot = namespace === rootNamespace
  const { scope, selector } = attempt(() => readScope(spec.get('selector'), isRoot)) ?? wholeScope(isRoot)
  return {
    kind: 'sent',
    policy: { name, namespace, scope, action: 'allow', dryRun: false, rules: [] },
    selector,
    findings: [],
  }
}

function whyNotSent(action: string, isUnwantedDryRun: boolean): string | undefined {
  if (action === 'AUDIT' || action === 'CUSTOM') return `ztunnel does not support the ${action} action`
  return isUnwantedDryRun ? 'it is a dry run, and dry runs are not switched on for ztunnel' : undefined
}

function isDryRun({ metadata }: KubeObject): boolean {
  return TRUE.includes(metadata.annotations[DRY_RUN] ?? '')
}

function readAction(field: Field): string {
  const action = field.text() ?? 'ALLOW'
  if (!['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'].includes(action))
    throw field.invalid('must be ALLOW, DENY, AUDIT or CUSTOM')
  return action
}

function checkProvider(provider: Field, action: string): void {
  if (provider.isAbsent === (action !== 'CUSTOM')) return
  throw provider.invalid(
    action === 'CUSTOM' ? 'must be set: the action is CUSTOM' : `must not be set: the action is ${action}`,
  )
}

interface ReadScope {
  readonly scope: PolicyScope
  readonly selector: Labels | undefined
}

function readScope(selector: Field, isRoot: boolean): ReadScope {
  if (selector.isAbsent) return wholeScope(isRoot)
  selector.refuseOthers(['matchLabels'])
  return { scope: 'workload-selector', selector: selector.get('matchLabels').textMap() }
}

function wholeScope(isRoot: boolean): ReadScope {
  return { scope: isRoot ? 'global' : 'namespace', selector: undefined }
}

/** @returns undefined when that part of the object cannot be read either. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
