import {
  type AuthorizationPolicy,
  type IpPrefix,
  type Match,
  type PolicyAction,
  policyKey,
  type PolicyScope,
  type ServiceAccountMatch,
  type StringMatch,
} from '@ambient/policy'
import {
  decodeWireAuthorization,
  encodeWireAuthorization,
  type WireCidr,
  type WireMatch,
  type WireServiceAccount,
  type WireStringMatch,
} from '@ambient/xds-proto'
import { type EncodedResource, encodedResource } from './encoded-resource.ts'
import { AUTHORIZATION_TYPE } from './type-urls.ts'
import { readIp, readPrefixLength, writeIp } from './wire-address.ts'
import { wireEnum } from './wire-enum.ts'
import { decodeWire, invalid } from './xds-error.ts'

const scopes = wireEnum<PolicyScope>('scope', ['global', 'namespace', 'workload-selector'])
const actions = wireEnum<PolicyAction>('action', ['allow', 'deny'])

/**
 * Reads one policy. Stricter than upstream, which drops an entry that it cannot read and so widens or narrows the
 * rule: here the whole policy is refused, and the last good one stays in force.
 *
 * @throws {XdsError} `RESOURCE_INVALID`, saying which part is wrong.
 */
export function decodeAuthorization(bytes: Uint8Array): AuthorizationPolicy {
  const wire = decodeWire(bytes, decodeWireAuthorization)
  if (!wire.name) throw invalid('a policy without name')
  return {
    name: wire.name,
    namespace: wire.namespace ?? '',
    scope: scopes.read(wire.scope),
    action: actions.read(wire.action),
    dryRun: wire.dryRun ?? false,
    rules: (wire.rules ?? []).map((rule) =>
      (rule.clauses ?? []).map((clause) => (clause.matches ?? []).map(readMatch)),
    ),
  }
}

export function encodeAuthorizationResource(policy: AuthorizationPolicy): EncodedResource {
  const { name, namespace, scope, action, dryRun, rules } = policy
  const bytes = encodeWireAuthorization({
    name,
    namespace,
    scope: scopes.write(scope),
    action: actions.write(action),
    dryRun,
    rules: rules.map((rule) => ({ clauses: rule.map((clause) => ({ matches: clause.map(writeMatch) })) })),
  })
  return encodedResource({ name: policyKey(policy), typeUrl: AUTHORIZATION_TYPE }, bytes)
}

function readMatch(wire: WireMatch): Match {
  return {
    ...list('namespaces', wire.namespaces, readString),
    ...list('notNamespaces', wire.notNamespaces, readString),
    ...list('principals', wire.principals, readString),
    ...list('notPrincipals', wire.notPrincipals, readString),
    ...list('sourceIps', wire.sourceIps, readCidr),
    ...list('notSourceIps', wire.notSourceIps, readCidr),
    ...list('destinationIps', wire.destinationIps, readCidr),
    ...list('notDestinationIps', wire.notDestinationIps, readCidr),
    ...list('destinationPorts', wire.destinationPorts, readPort),
    ...list('notDestinationPorts', wire.notDestinationPorts, readPort),
    ...list('serviceAccounts', wire.serviceAccounts, readServiceAccount),
    ...list('notServiceAccounts', wire.notServiceAccounts, readServiceAccount),
  }
}

function writeMatch(match: Match): WireMatch {
  return {
    ...list('namespaces', match.namespaces, writeString),
    ...list('notNamespaces', match.notNamespaces, writeString),
    ...list('principals', match.principals, writeString),
    ...list('notPrincipals', match.notPrincipals, writeString),
    ...list('sourceIps', match.sourceIps, writeCidr),
    ...list('notSourceIps', match.notSourceIps, writeCidr),
    ...list('destinationIps', match.destinationIps, writeCidr),
    ...list('notDestinationIps', match.notDestinationIps, writeCidr),
    ...list('destinationPorts', match.destinationPorts, (port) => port),
    ...list('notDestinationPorts', match.notDestinationPorts, (port) => port),
    ...list('serviceAccounts', match.serviceAccounts, (account) => ({ ...account })),
    ...list('notServiceAccounts', match.notServiceAccounts, (account) => ({ ...account })),
  }
}

/** A list under its name, or nothing at all when it is empty: absent and empty mean the same. */
function list<Name extends string, From, To>(
  name: Name,
  values: readonly From[] | null | undefined,
  read: (value: From) => To,
): { [key in Name]?: To[] } {
  const field: { [key in Name]?: To[] } = {}
  if (values && values.length > 0) field[name] = values.map(read)
  return field
}

function readString({ exact, prefix, suffix, presence }: WireStringMatch): StringMatch {
  if ([exact, prefix, suffix, presence].filter((kind) => kind !== null && kind !== undefined).length > 1)
    throw invalid('a string match of two kinds')
  if (presence) return { kind: 'presence' }
  if (typeof prefix === 'string') return { kind: 'prefix', value: prefix }
  if (typeof suffix === 'string') return { kind: 'suffix', value: suffix }
  if (typeof exact === 'string') return { kind: 'exact', value: exact }
  throw invalid('a string match of no known kind')
}

function writeString(match: StringMatch): WireStringMatch {
  switch (match.kind) {
    case 'presence':
      return { presence: {} }
    case 'prefix':
      return { prefix: match.value }
    case 'suffix':
      return { suffix: match.value }
    case 'exact':
      return { exact: match.value }
  }
}

function readCidr({ address, length }: WireCidr): IpPrefix {
  const ip = readIp(address)
  return { ip, length: readPrefixLength(ip, address, length ?? 0) }
}

function writeCidr({ ip, length }: IpPrefix): WireCidr {
  return { address: writeIp(ip), length }
}

function readPort(port: number): number {
  if (port > 65_535) throw invalid(`port ${port}`)
  return port
}

function readServiceAccount({ namespace, serviceAccount }: WireServiceAccount): ServiceAccountMatch {
  return { namespace: namespace ?? '', serviceAccount: serviceAccount ?? '' }
}
