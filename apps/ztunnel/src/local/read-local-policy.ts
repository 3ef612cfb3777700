import type { Field } from '@ambient/kube'
import type { AuthorizationPolicy, Match, ServiceAccountMatch, StringMatch } from '@ambient/policy'
import { readPort, readPrefix, requiredChoice, requiredList } from './local-fields.ts'

const SCOPE = { Global: 'global', Namespace: 'namespace', WorkloadSelector: 'workload-selector' } as const
const ACTION = { Allow: 'allow', Deny: 'deny' } as const
const STRINGS = ['namespaces', 'notNamespaces', 'principals', 'notPrincipals'] as const
const RANGES = ['sourceIps', 'notSourceIps', 'destinationIps', 'notDestinationIps'] as const
const PORTS = ['destinationPorts', 'notDestinationPorts'] as const
const ACCOUNTS = ['serviceAccounts', 'notServiceAccounts'] as const

/** One of `policies`. A match that names nothing we know is refused: it would say nothing, and nobody would notice. */
export function readLocalPolicy(field: Field): AuthorizationPolicy {
  field.refuseOthers(['name', 'namespace', 'scope', 'action', 'dryRun', 'rules'])
  return {
    name: field.get('name').requiredText(),
    namespace: field.get('namespace').requiredText(),
    scope: requiredChoice(field.get('scope'), SCOPE),
    action: requiredChoice(field.get('action'), ACTION),
    dryRun: field.get('dryRun').boolean() ?? false,
    rules: requiredList(field.get('rules')).map((rule) =>
      rule.list().map((clause) => clause.list().map(readMatch)),
    ),
  }
}

function readMatch(field: Field): Match {
  field.refuseOthers([...STRINGS, ...RANGES, ...PORTS, ...ACCOUNTS])
  return {
    ...lists(field, STRINGS, readString),
    ...lists(field, RANGES, (each) => readPrefix(each, each.requiredText())),
    ...lists(field, PORTS, readPort),
    ...lists(field, ACCOUNTS, readAccount),
  }
}

/** Those that are given; one that is not says nothing. */
function lists<Key extends string, T>(
  field: Field,
  keys: readonly Key[],
  read: (entry: Field) => T,
): Partial<Record<Key, readonly T[]>> {
  const found: Partial<Record<Key, readonly T[]>> = {}
  for (const key of keys) {
    const entries = field.get(key).list()
    if (entries.length > 0) found[key] = entries.map(read)
  }
  return found
}

/** `{ Exact: x }`, `{ Prefix: x }`, `{ Suffix: x }`, `{ Presence: [] }`. */
function readString(field: Field): StringMatch {
  field.refuseOthers(['Exact', 'Prefix', 'Suffix', 'Presence'])
  const [key, ...more] = Object.keys(field.record())
  if (key === undefined || more.length > 0)
    throw field.invalid('must have one of Exact, Prefix, Suffix, Presence')
  if (key === 'Presence') return { kind: 'presence' }
  const value = field.get(key).requiredText()
  return { kind: key === 'Exact' ? 'exact' : key === 'Prefix' ? 'prefix' : 'suffix', value }
}

function readAccount(field: Field): ServiceAccountMatch {
  field.refuseOthers(['namespace', 'serviceAccount'])
  return {
    namespace: field.get('namespace').requiredText(),
    serviceAccount: field.get('serviceAccount').requiredText(),
  }
}
