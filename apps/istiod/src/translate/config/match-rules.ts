import { type LabelSelector, selectsLabels } from '@ambient/kube'
import type { EntryVisibility, ServiceScope, ServiceScopeRule, VisibilityRules } from './mesh-config.ts'

type Labels = Readonly<Record<string, string>>

/** Global if any rule says so; a rule that says local takes nothing back. */
export function serviceScope(
  rules: readonly ServiceScopeRule[],
  of: { readonly namespace: Labels; readonly service: Labels },
): ServiceScope {
  const isGlobal = rules.some(
    (rule) =>
      rule.scope === 'global' && takes(rule.namespaces, of.namespace) && takes(rule.services, of.service),
  )
  return isGlobal ? 'global' : 'local'
}

/** What a ServiceEntry's visibility is, by its namespace's labels. */
export function entryVisibility(rules: VisibilityRules | undefined, namespace: Labels): EntryVisibility {
  if (rules === undefined) return 'public'
  const policy = rules.policies.find((each) =>
    each.rules.every((rule) => rule !== undefined && selectsLabels(rule, namespace)),
  )
  return policy?.visibility ?? rules.byDefault
}

/** Whether node proxies are told of a namespace. */
export function isDiscovered(selectors: readonly LabelSelector[], namespace: Labels): boolean {
  return selectors.length === 0 || selectors.some((selector) => selectsLabels(selector, namespace))
}

function takes(selector: LabelSelector | undefined, labels: Labels): boolean {
  return selector === undefined || selectsLabels(selector, labels)
}
