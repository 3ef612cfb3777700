import type { EnvoyFields } from '@ambient/xds-proto'
import { authorizationName, type ChainProtocol } from './envoy-names.ts'
import { typed } from './envoy-resource.ts'
import type { L7Policy } from './l7-policy.ts'

type Verdict = 'deny' | 'allow'

/** The two filters of a chain of requests, as resources of their own: a change of policy is no change of the listener. */
export function authorizationFilters(
  chain: string,
  policies: readonly L7Policy[],
): readonly { readonly name: string; readonly json: EnvoyFields }[] {
  return (['deny', 'allow'] as const).map((verdict) => {
    const name = authorizationName(verdict, chain)
    const rbac = rules(policies, verdict, 'http')
    const typedConfig = typed('envoy.extensions.filters.http.rbac.v3.RBAC', {
      ...rbac,
      ...(rbac['rules'] === undefined ? {} : { rules_stat_prefix: `${verdict}.` }),
    })
    return { name, json: { name, typed_config: typedConfig } }
  })
}

/** The filters of a chain of bytes, as far as there is something to check. */
export function networkRbac(policies: readonly L7Policy[]): readonly EnvoyFields[] {
  return (['deny', 'allow'] as const).flatMap((verdict) => {
    const rbac = rules(policies, verdict, 'tcp')
    if (Object.keys(rbac).length === 0) return []
    const type = 'envoy.extensions.filters.network.rbac.v3.RBAC'
    return [
      { name: 'envoy.filters.network.rbac', typed_config: typed(type, { stat_prefix: 'tcp.', ...rbac }) },
    ]
  })
}

/** In force, and beside it what a dry run would do. An ALLOW of nothing is there: it lets nothing pass. */
function rules(policies: readonly L7Policy[], verdict: Verdict, protocol: ChainProtocol): EnvoyFields {
  const those = policies.filter(({ action }) => action === verdict)
  const enforced = those.filter(({ isDryRun }) => !isDryRun)
  const shadow = those.filter(({ isDryRun }) => isDryRun)
  return {
    ...(enforced.length === 0 ? {} : { rules: together(enforced, verdict, protocol) }),
    ...(shadow.length === 0
      ? {}
      : {
          shadow_rules: together(shadow, verdict, protocol),
          shadow_rules_stat_prefix: `istio_dry_run_${verdict}_`,
        }),
  }
}

function together(policies: readonly L7Policy[], verdict: Verdict, protocol: ChainProtocol): EnvoyFields {
  const named = policies.flatMap(({ namespace, name, rules: all }) =>
    all.flatMap((rule, index): [string, EnvoyFields][] => {
      const translated = rule[protocol]
      return translated === undefined ? [] : [[`ns[${namespace}]-policy[${name}]-rule[${index}]`, translated]]
    }),
  )
  return { action: verdict.toUpperCase(), policies: Object.fromEntries(named) }
}
