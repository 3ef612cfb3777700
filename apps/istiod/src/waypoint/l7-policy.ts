import { fieldsOf, type KubeObject } from '@ambient/kube'
import type { EnvoyFields } from '@ambient/xds-proto'
import type { MeshOptions } from '../translate/mesh-options.ts'
import {
  closedPolicy,
  convertAuthorizationPolicy,
} from '../translate/policies/convert-authorization-policy.ts'
import type { TargetRef } from '../translate/policies/target-refs.ts'
import { ANYTHING, rbacRule } from './rbac-rule.ts'

/** An AuthorizationPolicy that waypoints enforce. */
export interface L7Policy {
  readonly namespace: string
  readonly name: string
  readonly action: 'allow' | 'deny'
  readonly isDryRun: boolean
  readonly targets: readonly TargetRef[]
  readonly rules: readonly L7Rule[]
}

/** A rule for requests and for bytes; undefined where it has no effect. */
export interface L7Rule {
  readonly http: EnvoyFields | undefined
  readonly tcp: EnvoyFields | undefined
}

export interface L7PolicyOptions {
  readonly mesh: Pick<MeshOptions, 'rootNamespace' | 'dryRunPolicies'>
  /** The mesh's own first. */
  readonly trustDomains: readonly string[]
}

/**
 * An AuthorizationPolicy with targets, as rules of Envoy; undefined for one that is for node proxies, and for an audit.
 *
 * What cannot be read denies everything where it is attached, and so does CUSTOM where its rules match: nobody is asked
 * yet, and what should be asked about does not pass unasked.
 */
export function readL7Policy(object: KubeObject, options: L7PolicyOptions): L7Policy | undefined {
  const { namespace = '', name } = object.metadata
  const converted = attempt(object, options)
  const { policy } = converted
  if (policy.kind !== 'for-waypoints') return undefined
  const known = { namespace, name, targets: policy.targets }
  if (!converted.isValid) {
    return policy.isEnforced
      ? { ...known, action: 'deny', isDryRun: false, rules: [{ http: ANYTHING, tcp: ANYTHING }] }
      : undefined
  }
  const spec = fieldsOf(object).get('spec')
  const given = spec.get('action').text() ?? 'ALLOW'
  if (given === 'AUDIT') return undefined
  const action = given === 'ALLOW' ? 'allow' : 'deny'
  const around = { action, namespace, trustDomains: options.trustDomains } as const
  return {
    ...known,
    action,
    isDryRun: !policy.isEnforced,
    rules: spec
      .get('rules')
      .list()
      .map((rule) => ({
        http: rbacRule(rule, { ...around, protocol: 'http' }),
        tcp: rbacRule(rule, { ...around, protocol: 'tcp' }),
      })),
  }
}

function attempt(
  object: KubeObject,
  { mesh }: L7PolicyOptions,
): { readonly policy: ReturnType<typeof closedPolicy>; readonly isValid: boolean } {
  try {
    return { policy: convertAuthorizationPolicy(object, mesh), isValid: true }
  } catch {
    return { policy: closedPolicy(object, mesh), isValid: false }
  }
}
