import { type Field, isPort } from '@ambient/kube'
import type { EnvoyFields } from '@ambient/xds-proto'
import { readIpPrefix } from '../translate/policies/ip-prefix.ts'
import { expandPrincipal } from '../translate/policies/expand-trust-domains.ts'
import { stringMatch } from '../translate/policies/rule-clauses.ts'
import { FILTER_STATE } from './envoy-names.ts'
import { exactly, matcherOf } from './string-matcher.ts'

export interface MatchAround {
  /** Of the policy. */
  readonly namespace: string
  /** The mesh's own first. */
  readonly trustDomains: readonly string[]
}

/** Something a rule may ask for. */
export interface Attribute {
  /** Whether it is of what is asked for, or of who asks. */
  readonly side: 'permission' | 'principal'
  /** Only a request has it. */
  readonly isL7: boolean
  /** One value: any of these. */
  readonly match: (value: Field, around: MatchAround) => readonly EnvoyFields[]
}

const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map<string, Attribute>([
  ['principals', principal(principals)],
  ['namespaces', principal((value) => [peer({ safe_regex: { regex: ofNamespace(value.requiredText()) } })])],
  [
    'serviceAccounts',
    principal((value, { namespace }) => [peer(ofAccount(value.requiredText(), namespace))]),
  ],
  ['trustDomains', principal((value) => [peer({ safe_regex: { regex: ofDomain(value.requiredText()) } })])],
  ['ipBlocks', principal(sourceIp)],
  // Nobody before the node proxy is trusted to say who is behind it, so the connection's own source is what counts.
  ['remoteIpBlocks', principal(sourceIp)],
  ['ports', { side: 'permission', isL7: false, match: port }],
  ['hosts', permission((value) => [header(':authority', host(value.requiredText()))])],
  ['methods', permission((value) => [header(':method', matcherOf(stringMatch(value.requiredText())))])],
  ['paths', permission((value) => [{ url_path: { path: path(value.requiredText()) } }])],
])

const CONDITIONS: ReadonlyMap<string, string> = new Map([
  ['source.principal', 'principals'],
  ['source.namespace', 'namespaces'],
  ['source.serviceAccount', 'serviceAccounts'],
  ['source.trustDomain', 'trustDomains'],
  ['source.ip', 'ipBlocks'],
  ['remote.ip', 'remoteIpBlocks'],
  ['destination.port', 'ports'],
])

const DESTINATION_IP: Attribute = {
  side: 'permission',
  isL7: false,
  match: (value) => [{ destination_ip: range(value) }],
}

/** By its name in `from` and `to`; undefined for what a waypoint cannot check. */
export function attributeOf(name: string): Attribute | undefined {
  return ATTRIBUTES.get(name)
}

/** By its key in `when`; undefined for what a waypoint cannot check. */
export function conditionOf(key: string): Attribute | undefined {
  if (key === 'destination.ip') return DESTINATION_IP
  const [, name] = /^request\.headers\[(.+)\]$/.exec(key) ?? []
  if (name !== undefined)
    return permission((value) => [header(name.toLowerCase(), matcherOf(stringMatch(value.requiredText())))])
  return attributeOf(CONDITIONS.get(key) ?? '')
}

function principal(match: Attribute['match']): Attribute {
  return { side: 'principal', isL7: false, match }
}

function permission(match: Attribute['match']): Attribute {
  return { side: 'permission', isL7: true, match }
}

/** Who sends: what the tunnel's certificate proved, and nothing that a request says. */
function peer(match: EnvoyFields): EnvoyFields {
  return { filter_state: { key: FILTER_STATE.peer, string_match: match } }
}

function principals(value: Field, { trustDomains }: MatchAround): readonly EnvoyFields[] {
  return expandPrincipal(stringMatch(value.requiredText()), trustDomains).map((match) =>
    peer(
      matcherOf(
        match.kind === 'exact' || match.kind === 'prefix'
          ? { ...match, value: `spiffe://${match.value}` }
          : match,
      ),
    ),
  )
}

function ofNamespace(text: string): string {
  return `spiffe://[^/]+/ns/${within(text)}/sa/.+`
}

function ofDomain(text: string): string {
  return `spiffe://${within(text)}/.+`
}

function ofAccount(text: string, own: string): EnvoyFields {
  const [first = '', second] = text.split('/')
  const [namespace, account] = second === undefined ? [own, first] : [first, second]
  return { safe_regex: { regex: `spiffe://[^/]+/ns/${exactly(namespace)}/sa/${exactly(account)}` } }
}

/** One part of an identity: a star at one end stands for more of that part. */
function within(text: string): string {
  const match = stringMatch(text)
  switch (match.kind) {
    case 'presence':
      return '[^/]+'
    case 'exact':
      return exactly(match.value)
    case 'prefix':
      return `${exactly(match.value)}[^/]*`
    case 'suffix':
      return `[^/]*${exactly(match.value)}`
  }
}

function sourceIp(value: Field): readonly EnvoyFields[] {
  return [{ filter_state: { key: FILTER_STATE.source, address_match: { ranges: [range(value)] } } }]
}

function range(value: Field): EnvoyFields {
  const { ip, length } = readIpPrefix(value)
  return { address_prefix: ip, prefix_len: length }
}

/** As in Istio, what is no port is passed over. */
function port(value: Field): readonly EnvoyFields[] {
  const text = value.requiredText()
  return isPort(text) ? [{ destination_port: Number(text) }] : []
}

function header(name: string, match: EnvoyFields): EnvoyFields {
  return { header: { name, string_match: match } }
}

/** In either case, and with or without a port. */
function host(text: string): EnvoyFields {
  const match = stringMatch(text)
  const orPort = '(:[0-9]+)?'
  switch (match.kind) {
    case 'presence':
      return { safe_regex: { regex: '.+' } }
    case 'exact':
      return { safe_regex: { regex: `(?i)${exactly(match.value)}${orPort}` } }
    case 'prefix':
      return { safe_regex: { regex: `(?i)${exactly(match.value)}.*` } }
    case 'suffix':
      return { safe_regex: { regex: `(?i).*${exactly(match.value)}${orPort}` } }
  }
}

/** `{*}` is one segment of a path, `{**}` any number. */
function path(text: string): EnvoyFields {
  if (!text.includes('{*')) return matcherOf(stringMatch(text))
  const parts = text.split(/(\{\*\*?\})/)
  const regex = parts.map((each) => (each === '{*}' ? '[^/]+' : each === '{**}' ? '.*' : exactly(each)))
  return { safe_regex: { regex: regex.join('') } }
}
