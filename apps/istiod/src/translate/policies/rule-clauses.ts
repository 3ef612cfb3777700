import type { Field } from '@ambient/kube'
import { canonicalIp, isIpv6 } from '@ambient/model'
import type {
  Clause,
  IpPrefix,
  Match,
  PolicyAction,
  Rule,
  ServiceAccountMatch,
  StringMatch,
} from '@ambient/policy'

/** What became of one entry of `rules`. */
export interface ConvertedRule {
  /** Undefined when the rule is left out whole. */
  readonly rule: Rule | undefined
  /** Attributes of L7 that no node proxy can check, as the user wrote them. */
  readonly unsupported: readonly string[]
}

interface Part {
  readonly match: Match
  readonly unsupported: readonly string[]
}

const L7_SOURCE = ['requestPrincipals', 'notRequestPrincipals', 'remoteIpBlocks', 'notRemoteIpBlocks']
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
  refuseOthers(rule, ['from', 'to', 'when'])
  const groups = [
    givenList(rule.get('to')).map((item) => operationPart(only(item, 'operation'))),
    givenList(rule.get('from')).map((item) => sourcePart(only(item, 'source'), namespace)),
    ...rule
      .get('when')
      .list()
      .map((item) => [conditionPart(item)]),
  ].filter((group) => group.length > 0)
  const unsupported = groups.flat().flatMap((each) => each.unsupported)
  if (action === 'allow') {
    const clauses = groups.map((group) => group.map((each) => each.match))
    return { rule: unsupported.length > 0 ? undefined : clauses, unsupported }
  }
  const clauses = groups.map((group) =>
    group.map((each) => each.match).filter((match) => Object.keys(match).length > 0),
  )
  const checkable = clauses.filter((clause) => clause.length > 0)
  const isWithoutEffect = groups.length > 0 && checkable.length === 0
  return { rule: isWithoutEffect ? NEVER : checkable, unsupported }
}

/** A match that says nothing is skipped by the proxy, so a clause of only such never holds. */
const NEVER: Rule = [[{}] satisfies Clause]

function sourcePart(source: Field, namespace: string): Part {
  refuseOthers(source, [...L4_SOURCE, ...L7_SOURCE])
  const match = withoutEmpty({
    principals: strings(source.get('principals')),
    notPrincipals: strings(source.get('notPrincipals')),
    namespaces: strings(source.get('namespaces')),
    notNamespaces: strings(source.get('notNamespaces')),
    serviceAccounts: givenTexts(source.get('serviceAccounts')).map((text) => serviceAccount(text, namespace)),
    notServiceAccounts: givenTexts(source.get('notServiceAccounts')).map((text) =>
      serviceAccount(text, namespace),
    ),
    sourceIps: prefixes(source.get('ipBlocks')),
    notSourceIps: prefixes(source.get('notIpBlocks')),
  })
  return part(source, match, L7_SOURCE)
}

function operationPart(operation: Field): Part {
  refuseOthers(operation, [...L4_OPERATION, ...L7_OPERATION])
  const match = withoutEmpty({
    destinationPorts: ports(operation.get('ports')),
    notDestinationPorts: ports(operation.get('notPorts')),
  })
  return part(operation, match, L7_OPERATION)
}

function part(field: Field, match: Match, l7: readonly string[]): Part {
  const unsupported = l7.filter((name) => !field.get(name).isAbsent)
  if (Object.keys(field.record()).length === 0) throw field.invalid('must say something')
  return { match, unsupported }
}

function conditionPart(condition: Field): Part {
  refuseOthers(condition, ['key', 'values', 'notValues'])
  const key = condition.get('key').requiredText()
  const values = condition.get('values')
  const notValues = condition.get('notValues')
  if (values.isAbsent && notValues.isAbsent) throw condition.invalid('must have values or notValues')
  const match = conditionMatch(key, values, notValues)
  return match === undefined
    ? { match: {}, unsupported: [`when ${key}`] }
    : { match: withoutEmpty(match), unsupported: [] }
}

function conditionMatch(key: string, values: Field, notValues: Field): Match | undefined {
  switch (key) {
    case 'source.ip':
      return { sourceIps: prefixes(values), notSourceIps: prefixes(notValues) }
    case 'source.namespace':
      return { namespaces: strings(values), notNamespaces: strings(notValues) }
    case 'source.principal':
      return { principals: strings(values), notPrincipals: strings(notValues) }
    case 'destination.ip':
      return { destinationIps: prefixes(values), notDestinationIps: prefixes(notValues) }
    case 'destination.port':
      return { destinationPorts: ports(values), notDestinationPorts: ports(notValues) }
    default:
      return undefined
  }
}

function strings(field: Field): readonly StringMatch[] {
  return givenTexts(field).map(stringMatch)
}

/** `*` is any value; a star at one end is what the other end must be. */
function stringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' }
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) }
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) }
  return { kind: 'exact', value: text }
}

/** `namespace/name`, or a name in the policy's own namespace. */
function serviceAccount(text: string, namespace: string): ServiceAccountMatch {
  const slash = text.indexOf('/')
  if (slash < 0) return { namespace, serviceAccount: text }
  return { namespace: text.slice(0, slash), serviceAccount: text.slice(slash + 1) }
}

function prefixes(field: Field): readonly IpPrefix[] {
  return givenTexts(field).map(
    (text) => parsePrefix(text) ?? refuse(field, `has "${text}", which is no IP address or range`),
  )
}

function parsePrefix(text: string): IpPrefix | undefined {
  const [address = '', lengthText, ...rest] = text.split('/')
  const ip = canonicalIp(address)
  if (ip === undefined || rest.length > 0) return undefined
  const bits = isIpv6(ip) ? 128 : 32
  if (lengthText === undefined) return { ip, length: bits }
  if (!/^\d{1,3}$/.test(lengthText)) return undefined
  // An IPv4 address written as IPv6 counts its range in 128 bits.
  const length = Number(lengthText) - (address.includes(':') && bits === 32 ? 96 : 0)
  return length < 0 || length > bits ? undefined : { ip, length }
}

/** What is no port is left out, as in Istio: no connection can have it as its port. */
function ports(field: Field): readonly number[] {
  return givenTexts(field).flatMap((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
    return port >= 1 && port <= 65_535 ? [port] : []
  })
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
  refuseOthers(item, [name])
  if (item.get(name).isAbsent) throw item.invalid(`must have ${name}`)
  return item.get(name)
}

function refuseOthers(field: Field, known: readonly string[]): void {
  const other = Object.keys(field.record()).find((name) => !known.includes(name))
  if (other !== undefined) throw field.get(other).invalid('is no field of an AuthorizationPolicy')
}

function refuse(field: Field, problem: string): never {
  throw field.invalid(problem)
}

function withoutEmpty(match: Match): Match {
  const lists: Readonly<Record<string, readonly unknown[]>> = { ...match }
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0))
}
