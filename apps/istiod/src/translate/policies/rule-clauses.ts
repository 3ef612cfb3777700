import { type Field, isPort } from '@ambient/kube'
import type {
  Clause,
  IpPrefix,
  Match,
  PolicyAction,
  Rule,
  ServiceAccountMatch,
  StringMatch,
} from '@ambient/policy'
import { readIpPrefix } from './ip-prefix.ts'

/** What becomes of a rule at a node proxy. */
export type RuleEffect =
  | 'enforced'
  /** Of an ALLOW policy, left out: it allows nothing. */
  | 'left-out'
  /** Of a DENY policy, enforced without what L4 cannot see: it denies more than it says. */
  | 'denies-more'
  /** Of a DENY policy, without those of its alternatives that L4 cannot see at all: they deny nothing. */
  | 'denies-less'
  /** Of a DENY policy, with nothing in it that L4 can see: it denies nothing. */
  | 'denies-nothing'

/** What became of one entry of `rules`. */
export interface ConvertedRule {
  /** Undefined when the rule is left out whole. */
  readonly rule: Rule | undefined
  readonly effect: RuleEffect
  /** Attributes of L7 that no node proxy can check, as the user wrote them. */
  readonly unsupported: readonly string[]
  /** Values that mean nothing and were passed over. */
  readonly ignored: readonly string[]
}

interface Part {
  readonly match: Match
  readonly unsupported: readonly string[]
  readonly ignored: readonly string[]
}

interface Ports {
  readonly ports: readonly number[]
  readonly ignored: readonly string[]
}

const L7_SOURCE = [
  'requestPrincipals',
  'notRequestPrincipals',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
  'trustDomains',
  'notTrustDomains',
]
const L7_OPERATION = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths']
const L4_SOURCE = [
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
]
const L4_OPERATION = ['ports', 'notPorts']
/** Conditions that exist and that only a waypoint can check; a key that is none at all is refused. */
const L7_CONDITION =
  /^(request\..+|experimental\..+|connection\.sni|remote\.ip|source\.serviceAccount|source\.trustDomain)$/

/**
 * One rule as clauses that must all hold: one for `to`, one for `from`, one for each of `when`.
 *
 * What L4 cannot see is never guessed in the user's favour: an ALLOW rule with such an attribute is left out, which
 * allows less; a DENY rule is enforced without it, which denies more. A DENY rule with nothing else in it has no effect,
 * as everywhere in ambient: L7 rules need a waypoint.
 *
 * @throws {KubeError} `OBJECT_INVALID` for anything a validating API server would refuse.
 */
export function convertRule(rule: Field, action: PolicyAction, namespace: string): ConvertedRule {
  rule.refuseOthers(['from', 'to', 'when'])
  const groups = [
    givenList(rule.get('to')).map((item) => operationPart(only(item, 'operation'))),
    givenList(rule.get('from')).map((item) => sourcePart(only(item, 'source'), namespace)),
    ...rule
      .get('when')
      .list()
      .map((item) => [conditionPart(item)]),
  ].filter((group) => group.length > 0)
  const parts = groups.flat()
  const told = {
    unsupported: parts.flatMap((each) => each.unsupported),
    ignored: parts.flatMap((each) => each.ignored),
  }
  if (action === 'allow') {
    if (told.unsupported.length > 0) return { rule: undefined, effect: 'left-out', ...told }
    return { rule: groups.map((group) => group.map((each) => each.match)), effect: 'enforced', ...told }
  }
  return { ...denyClauses(groups), ...told }
}

/** A match that says nothing is skipped by the proxy, so a clause of only such never holds. */
const NEVER: Rule = [[{}] satisfies Clause]

function denyClauses(groups: readonly (readonly Part[])[]): Pick<ConvertedRule, 'rule' | 'effect'> {
  const clauses = groups.map((group) => group.map((each) => each.match).filter(isCheckable))
  const checkable = clauses.filter((clause) => clause.length > 0)
  if (groups.length > 0 && checkable.length === 0) return { rule: NEVER, effect: 'denies-nothing' }
  const hasLost = (group: readonly Part[]): boolean =>
    group.some(({ match }) => !isCheckable(match)) && group.some(({ match }) => isCheckable(match))
  if (groups.some(hasLost)) return { rule: checkable, effect: 'denies-less' }
  const isWider = groups.flat().some(({ unsupported }) => unsupported.length > 0)
  return { rule: checkable, effect: isWider ? 'denies-more' : 'enforced' }
}

function isCheckable(match: Match): boolean {
  return Object.keys(match).length > 0
}

function sourcePart(source: Field, namespace: string): Part {
  refuseEmpty(source, [...L4_SOURCE, ...L7_SOURCE])
  const match = withoutEmpty({
    principals: strings(source.get('principals')),
    notPrincipals: strings(source.get('notPrincipals')),
    namespaces: strings(source.get('namespaces')),
    notNamespaces: strings(source.get('notNamespaces')),
    serviceAccounts: serviceAccounts(source.get('serviceAccounts'), namespace),
    notServiceAccounts: serviceAccounts(source.get('notServiceAccounts'), namespace),
    sourceIps: prefixes(source.get('ipBlocks')),
    notSourceIps: prefixes(source.get('notIpBlocks')),
  })
  const hasAccounts = [match.serviceAccounts, match.notServiceAccounts].some((list) => list !== undefined)
  const others = [match.principals, match.notPrincipals, match.namespaces, match.notNamespaces]
  if (hasAccounts && others.some((list) => list !== undefined))
    throw source.invalid('must not have serviceAccounts beside namespaces or principals')
  return { match, unsupported: given(source, L7_SOURCE), ignored: [] }
}

function operationPart(operation: Field): Part {
  refuseEmpty(operation, [...L4_OPERATION, ...L7_OPERATION])
  const checked = portMatch(ports(operation.get('ports')), ports(operation.get('notPorts')))
  return { ...checked, unsupported: given(operation, L7_OPERATION) }
}

function refuseEmpty(field: Field, known: readonly string[]): void {
  field.refuseOthers(known)
  if (Object.keys(field.record()).length === 0) throw field.invalid('must say something')
}

function given(field: Field, names: readonly string[]): readonly string[] {
  return names.filter((name) => !field.get(name).isAbsent)
}

function conditionPart(condition: Field): Part {
  condition.refuseOthers(['key', 'values', 'notValues'])
  const key = condition.get('key').requiredText()
  const values = condition.get('values')
  const notValues = condition.get('notValues')
  if (values.isAbsent && notValues.isAbsent) throw condition.invalid('must have values or notValues')
  const checked = checkedCondition(key, values, notValues)
  if (checked !== undefined) return { unsupported: [], ignored: [], ...checked }
  if (!L7_CONDITION.test(key)) throw condition.get('key').invalid('is no condition there is')
  return { match: {}, unsupported: [`when ${key}`], ignored: [] }
}

function checkedCondition(
  key: string,
  values: Field,
  notValues: Field,
): { readonly match: Match; readonly ignored?: readonly string[] } | undefined {
  switch (key) {
    case 'source.ip':
      return { match: withoutEmpty({ sourceIps: prefixes(values), notSourceIps: prefixes(notValues) }) }
    case 'source.namespace':
      return { match: withoutEmpty({ namespaces: strings(values), notNamespaces: strings(notValues) }) }
    case 'source.principal':
      return { match: withoutEmpty({ principals: strings(values), notPrincipals: strings(notValues) }) }
    case 'destination.ip':
      return {
        match: withoutEmpty({ destinationIps: prefixes(values), notDestinationIps: prefixes(notValues) }),
      }
    case 'destination.port':
      return portMatch(ports(values), ports(notValues))
    default:
      return undefined
  }
}

function portMatch(wanted: Ports, unwanted: Ports): Pick<Part, 'match' | 'ignored'> {
  return {
    match: withoutEmpty({ destinationPorts: wanted.ports, notDestinationPorts: unwanted.ports }),
    ignored: [...wanted.ignored, ...unwanted.ignored],
  }
}

function prefixes(field: Field): readonly IpPrefix[] {
  return givenList(field).map(readIpPrefix)
}

function strings(field: Field): readonly StringMatch[] {
  return givenTexts(field).map(stringMatch)
}

/** `*` is any value; a star at one end is what the other end must be. */
export function stringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' }
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) }
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) }
  return { kind: 'exact', value: text }
}

/** `namespace/name`, or a name in the policy's own namespace. */
function serviceAccounts(field: Field, namespace: string): readonly ServiceAccountMatch[] {
  return givenList(field).map((item) => {
    const parts = item.requiredText().split('/')
    const [first = '', second] = parts
    if (parts.length > 2 || parts.includes('') || parts.some((each) => each.includes('*')))
      throw item.invalid('must be a service account, or namespace/account, without *')
    return second === undefined
      ? { namespace, serviceAccount: first }
      : { namespace: first, serviceAccount: second }
  })
}

/** As in Istio, what is no port is passed over: no connection has it. A list of nothing else means nothing. */
function ports(field: Field): Ports {
  const texts = givenTexts(field)
  const found = texts.filter(isPort).map(Number)
  if (texts.length > 0 && found.length === 0) throw field.invalid('must have a port from 1 to 65535')
  return { ports: found, ignored: texts.filter((text) => !isPort(text)) }
}

/** A list that is absent, or given and not empty: what an empty one should mean, nobody can say. */
function givenList(field: Field): readonly Field[] {
  const items = field.list()
  if (!field.isAbsent && items.length === 0) throw field.invalid('must not be empty')
  return items
}

function givenTexts(field: Field): readonly string[] {
  return givenList(field).map((item) => item.requiredText())
}

function only(item: Field, name: string): Field {
  item.refuseOthers([name])
  if (item.get(name).isAbsent) throw item.invalid(`must have ${name}`)
  return item.get(name)
}

function withoutEmpty(match: Match): Match {
  const lists: Readonly<Record<string, readonly unknown[]>> = { ...match }
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0))
}
