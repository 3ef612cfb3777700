import { ipToBytes, prefixMatches } from '@ambient/model'
import type { IpPrefix, Match, ServiceAccountMatch, StringMatch } from './authorization-policy.ts'

/** What is known of one connection, in the form the tests of a policy compare with. */
export interface ConnectionFacts {
  /** The SPIFFE ID without `spiffe://`; empty without mTLS. */
  readonly principal: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly sourceIp: Uint8Array
  readonly destinationIp: Uint8Array
  readonly destinationPort: number
}

export type Test = (facts: ConnectionFacts) => boolean

/** @returns `undefined` for a match that says nothing. */
export function compileMatch(match: Match): Test | undefined {
  const tests: Test[] = []
  const add = (positive: Test | undefined, negative: Test | undefined): void => {
    if (positive !== undefined) tests.push(positive)
    if (negative !== undefined) tests.push((facts) => !negative(facts))
  }
  add(strings(match.namespaces, namespaceOf), strings(match.notNamespaces, namespaceOf))
  add(strings(match.principals, principalOf), strings(match.notPrincipals, principalOf))
  add(accounts(match.serviceAccounts), accounts(match.notServiceAccounts))
  add(prefixes(match.sourceIps, sourceIpOf), prefixes(match.notSourceIps, sourceIpOf))
  add(prefixes(match.destinationIps, destinationIpOf), prefixes(match.notDestinationIps, destinationIpOf))
  add(ports(match.destinationPorts), ports(match.notDestinationPorts))
  return tests.length === 0 ? undefined : (facts) => tests.every((test) => test(facts))
}

function namespaceOf(facts: ConnectionFacts): string {
  return facts.namespace
}

/** Empty without mTLS, which no positive principal entry may match; see `strings`. */
function principalOf(facts: ConnectionFacts): string {
  return facts.principal
}

function sourceIpOf(facts: ConnectionFacts): Uint8Array {
  return facts.sourceIp
}

function destinationIpOf(facts: ConnectionFacts): Uint8Array {
  return facts.destinationIp
}

function strings(
  entries: readonly StringMatch[] | undefined,
  pick: (facts: ConnectionFacts) => string,
): Test | undefined {
  if (entries === undefined || entries.length === 0) return undefined
  const exact = new Set<string>()
  const others: ((text: string) => boolean)[] = []
  for (const entry of entries) {
    if (entry.kind === 'exact') exact.add(entry.value)
    else others.push(patternTest(entry))
  }
  const matches = (text: string): boolean => exact.has(text) || others.some((test) => test(text))
  // No identity is no principal: an empty prefix or suffix would else match it.
  if (pick === principalOf) return (facts) => facts.principal !== '' && matches(facts.principal)
  return (facts) => matches(pick(facts))
}

function patternTest(entry: Exclude<StringMatch, { kind: 'exact' }>): (text: string) => boolean {
  switch (entry.kind) {
    case 'prefix':
      return (text) => text.startsWith(entry.value)
    case 'suffix':
      return (text) => text.endsWith(entry.value)
    case 'presence':
      return (text) => text !== ''
  }
}

function accounts(entries: readonly ServiceAccountMatch[] | undefined): Test | undefined {
  if (entries === undefined || entries.length === 0) return undefined
  const keys = new Set(entries.map((entry) => `${entry.namespace}/${entry.serviceAccount}`))
  return (facts) => facts.principal !== '' && keys.has(`${facts.namespace}/${facts.serviceAccount}`)
}

function prefixes(
  entries: readonly IpPrefix[] | undefined,
  pick: (facts: ConnectionFacts) => Uint8Array,
): Test | undefined {
  if (entries === undefined || entries.length === 0) return undefined
  // A prefix that cannot be parsed matches nothing; the xDS client refuses the resource long before.
  const compiled = entries.map(({ ip, length }) => ({ bytes: ipToBytes(ip) ?? new Uint8Array(1), length }))
  return (facts) => {
    const ip = pick(facts)
    return compiled.some(({ bytes, length }) => prefixMatches(bytes, length, ip))
  }
}

function ports(entries: readonly number[] | undefined): Test | undefined {
  if (entries === undefined || entries.length === 0) return undefined
  const set = new Set(entries)
  return (facts) => set.has(facts.destinationPort)
}
