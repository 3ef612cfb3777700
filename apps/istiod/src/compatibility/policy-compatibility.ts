import { type CompatibilityTable, defineCompatibility, golden, ignored } from './compatibility.ts'

const FIELDS = golden('policy-fields')
const NEEDS_WAYPOINT = golden(
  'policy-status',
  'node proxies see no HTTP: an ALLOW rule with it is left out, a DENY rule is enforced without it, and the status says so',
)
const TARGETS = golden('waypoint-policies', 'never for node proxies')

/** Policies: what node proxies enforce of them, and what they are attached to. */
export const POLICY_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'AuthorizationPolicy',
    fields: {
      'spec.selector.matchLabels': golden('policy-scopes', 'in the root namespace, for every namespace'),
      'spec.targetRef': golden('policy-dry-run', 'never for node proxies'),
      'spec.targetRefs': TARGETS,
      'spec.action': golden(
        'policy-scopes',
        'ALLOW, DENY; AUDIT and CUSTOM are not enforced, and the status says so',
      ),
      'spec.provider': golden('policy-scopes', 'with CUSTOM only'),
      'spec.rules': FIELDS,
      'spec.rules[].from[].source.principals': FIELDS,
      'spec.rules[].from[].source.notPrincipals': FIELDS,
      'spec.rules[].from[].source.namespaces': FIELDS,
      'spec.rules[].from[].source.notNamespaces': FIELDS,
      'spec.rules[].from[].source.serviceAccounts': FIELDS,
      'spec.rules[].from[].source.notServiceAccounts': FIELDS,
      'spec.rules[].from[].source.ipBlocks': FIELDS,
      'spec.rules[].from[].source.notIpBlocks': FIELDS,
      'spec.rules[].from[].source.requestPrincipals': NEEDS_WAYPOINT,
      'spec.rules[].from[].source.notRequestPrincipals': NEEDS_WAYPOINT,
      'spec.rules[].from[].source.remoteIpBlocks': NEEDS_WAYPOINT,
      'spec.rules[].from[].source.notRemoteIpBlocks': NEEDS_WAYPOINT,
      'spec.rules[].from[].source.trustDomains': NEEDS_WAYPOINT,
      'spec.rules[].from[].source.notTrustDomains': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.ports': golden(
        'policy-fields',
        'what is no port does not count, and the status says so',
      ),
      'spec.rules[].to[].operation.notPorts': FIELDS,
      'spec.rules[].to[].operation.hosts': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.notHosts': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.methods': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.notMethods': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.paths': NEEDS_WAYPOINT,
      'spec.rules[].to[].operation.notPaths': NEEDS_WAYPOINT,
      'spec.rules[].when': golden(
        'policy-fields',
        'source.ip, source.namespace, source.principal, destination.ip, destination.port; the others need a waypoint',
      ),
    },
    labels: { 'istio.io/rev': golden('revisions') },
    annotations: {
      'istio.io/dry-run': golden('policy-dry-run', 'if AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY is on'),
    },
  }),
  defineCompatibility({
    kind: 'PeerAuthentication',
    fields: {
      'metadata.creationTimestamp': golden(
        'peer-levels',
        'of several for the same workloads the oldest counts',
      ),
      'spec.selector.matchLabels': golden(
        'peer-levels',
        'does not count in the root namespace, and the status says so',
      ),
      'spec.mtls.mode': golden('peer-levels', 'DISABLE is as PERMISSIVE'),
      'spec.portLevelMtls': golden('peer-ports', 'with a selector only, and the status says so'),
    },
    labels: { 'istio.io/rev': golden('revisions') },
  }),
  defineCompatibility({
    kind: 'RequestAuthentication',
    fields: {
      'spec.targetRef': TARGETS,
      'spec.targetRefs': golden('waypoint-missing', 'a waypoint that is missing is closed for it'),
      'spec.selector': ignored('node proxies see no tokens: the status says so'),
      'spec.jwtRules': TARGETS,
    },
    labels: { 'istio.io/rev': golden('revisions') },
  }),
]
