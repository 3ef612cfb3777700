import { type Field } from '@ambient/kube'
import type { EnvoyFields } from '@ambient/xds-proto'
import type { ChainProtocol } from './envoy-names.ts'
import { type Attribute, attributeOf, conditionOf, type MatchAround } from './rbac-attributes.ts'

/** What a rule is translated for. */
export interface RuleAround extends MatchAround {
  readonly action: 'allow' | 'deny'
  readonly protocol: ChainProtocol
}

/** Things that must all hold, of the request and of who sends it. */
interface Part {
  readonly permissions: readonly EnvoyFields[]
  readonly principals: readonly EnvoyFields[]
  /** Something in it cannot be checked. */
  readonly isPartial: boolean
}

const ANY: EnvoyFields = { any: true }

/** A rule that everything matches. */
export const ANYTHING: EnvoyFields = { permissions: [ANY], principals: [ANY] }

/**
 * One rule of an AuthorizationPolicy that is valid. What cannot be checked never opens anything: an ALLOW rule with it is
 * left out, a DENY rule is enforced without it.
 *
 * @returns undefined when it is left out
 */
export function rbacRule(rule: Field, around: RuleAround): EnvoyFields | undefined {
  const groups = [
    rule
      .get('to')
      .list()
      .map((item) => itemPart(item.get('operation'), around)),
    rule
      .get('from')
      .list()
      .map((item) => itemPart(item.get('source'), around)),
    ...rule
      .get('when')
      .list()
      .map((item) => [conditionPart(item, around)]),
  ].filter((group) => group.length > 0)
  if (around.action === 'allow' && groups.flat().some(({ isPartial }) => isPartial)) return undefined
  return {
    permissions: [
      all(
        'permission',
        groups.flatMap((group) => oneOf('permission', group)),
      ),
    ],
    principals: [
      all(
        'principal',
        groups.flatMap((group) => oneOf('principal', group)),
      ),
    ],
  }
}

type Side = 'permission' | 'principal'

function sideOf({ permissions, principals }: Part, side: Side): readonly EnvoyFields[] {
  return side === 'permission' ? permissions : principals
}

/** Alternatives. One of which nothing is left matches everything, and then so do all together. */
function oneOf(side: Side, group: readonly Part[]): readonly EnvoyFields[] {
  const alternatives = group.map((part) => sideOf(part, side))
  if (alternatives.some((each) => each.length === 0)) return []
  return [
    any(
      side,
      alternatives.map((each) => all(side, each)),
    ),
  ]
}

function itemPart(item: Field, around: RuleAround): Part {
  return together(
    Object.keys(item.record()).map((key) => {
      const isNegated = /^not[A-Z]/.test(key)
      const name = isNegated ? key.charAt(3).toLowerCase() + key.slice(4) : key
      return matched(attributeOf(name), item.get(key), { isNegated, around })
    }),
  )
}

function conditionPart(condition: Field, around: RuleAround): Part {
  const attribute = conditionOf(condition.get('key').requiredText())
  const values = condition.get('values')
  const notValues = condition.get('notValues')
  return together([
    ...(values.isAbsent ? [] : [matched(attribute, values, { isNegated: false, around })]),
    ...(notValues.isAbsent ? [] : [matched(attribute, notValues, { isNegated: true, around })]),
  ])
}

const NOTHING: Part = { permissions: [], principals: [], isPartial: false }

function matched(
  attribute: Attribute | undefined,
  values: Field,
  { isNegated, around }: { readonly isNegated: boolean; readonly around: RuleAround },
): Part {
  if (attribute === undefined || (attribute.isL7 && around.protocol === 'tcp'))
    return { ...NOTHING, isPartial: true }
  const { side } = attribute
  const one = any(
    side,
    values.list().flatMap((value) => attribute.match(value, around)),
  )
  const found = [isNegated ? (side === 'permission' ? { not_rule: one } : { not_id: one }) : one]
  return side === 'permission' ? { ...NOTHING, permissions: found } : { ...NOTHING, principals: found }
}

function together(parts: readonly Part[]): Part {
  return {
    permissions: parts.flatMap(({ permissions }) => permissions),
    principals: parts.flatMap(({ principals }) => principals),
    isPartial: parts.some(({ isPartial }) => isPartial),
  }
}

function all(side: Side, list: readonly EnvoyFields[]): EnvoyFields {
  const [first = ANY, ...others] = list
  if (others.length === 0) return first
  return side === 'permission' ? { and_rules: { rules: list } } : { and_ids: { ids: list } }
}

function any(side: Side, list: readonly EnvoyFields[]): EnvoyFields {
  const [first = ANY, ...others] = list
  if (others.length === 0) return first
  return side === 'permission' ? { or_rules: { rules: list } } : { or_ids: { ids: list } }
}
