/** @see Istio API security/v1: AuthorizationPolicy, PeerAuthentication */
import { atMostOne, list, map, object, oneOf, type Schema, text } from './schema.ts'

const LABELS = 64
/** Of rules, sources, operations and conditions; Istio has no bound, the API server's CEL budget wants one. */
const PARTS = 512
const VALUES = 512

const workloadSelector: Schema = object(
  'The pods that it is about, by their labels; all of the namespace without it.',
  {
    matchLabels: {
      ...map(text('', 63), 4096),
      'x-kubernetes-validations': [
        {
          rule: "self.all(key, !self[key].contains('*'))",
          message: 'wildcard not allowed in label value match',
        },
        { rule: "self.all(key, !key.contains('*'))", message: 'wildcard not allowed in label key match' },
        { rule: 'self.all(key, key.size() != 0)', message: 'key must not be empty' },
      ],
    },
  },
)

const targetReference: Schema = object(
  'The object that it is attached to.',
  {
    group: text('API group; empty for Kubernetes’ own.', 253),
    kind: { ...text('Kind of the object.', 63), minLength: 1 },
    name: { ...text('Name of the object.', 253), minLength: 1 },
    namespace: text('Its namespace; only that of the policy itself.'),
  },
  {
    required: ['kind', 'name'],
    rules: [
      {
        rule: '[has(self.namespace) && size(self.namespace) != 0].all(x, !x)',
        message: 'cross namespace referencing is not currently supported',
      },
    ],
  },
)

const texts = (description: string): Schema => ({ ...list(text(''), { max: VALUES }), description })
const accounts = (description: string): Schema => ({ ...list(text('', 320), { max: 16 }), description })

const source = object('Who calls; every field that is set must match.', {
  principals: texts('Identities, as TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT; * at either end or alone.'),
  notPrincipals: texts('None of these.'),
  requestPrincipals: texts('L7: issuer/subject of a JWT.'),
  notRequestPrincipals: texts('L7: none of these.'),
  namespaces: texts('Namespaces of identities.'),
  notNamespaces: texts('None of these.'),
  serviceAccounts: accounts('NAMESPACE/ACCOUNT, or ACCOUNT of the policy’s own namespace.'),
  notServiceAccounts: accounts('None of these.'),
  ipBlocks: texts('Addresses and CIDRs of the peer.'),
  notIpBlocks: texts('None of these.'),
  remoteIpBlocks: texts('L7: addresses and CIDRs of the client, by X-Forwarded-For.'),
  notRemoteIpBlocks: texts('L7: none of these.'),
})

const operation = object('What is asked for; every field that is set must match.', {
  hosts: texts('L7: hosts.'),
  notHosts: texts('L7: none of these.'),
  ports: texts('Destination ports.'),
  notPorts: texts('None of these.'),
  methods: texts('L7: methods.'),
  notMethods: texts('L7: none of these.'),
  paths: texts('L7: paths.'),
  notPaths: texts('L7: none of these.'),
})

const condition = object(
  'One more thing that must hold.',
  {
    key: { ...text('What is looked at, such as source.ip.'), minLength: 1 },
    values: texts('One of these.'),
    notValues: texts('None of these.'),
  },
  { required: ['key'] },
)

export const authorizationPolicy: Schema = object(
  'Who may connect to what. A matching DENY wins; then, if there is any ALLOW, one must match.',
  {
    selector: workloadSelector,
    targetRef: targetReference,
    targetRefs: list(targetReference, { max: 16 }),
    action: oneOf('What a match means.', ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']),
    provider: object('For CUSTOM: who decides.', { name: text('Its name in the mesh configuration.') }),
    rules: list(
      object('Matches when one of from, one of to and all of when do.', {
        from: list(object('', { source }), { max: PARTS }),
        to: list(object('', { operation }), { max: PARTS }),
        when: list(condition, { max: LABELS }),
      }),
      { max: PARTS },
    ),
  },
  { rules: [atMostOne(['selector', 'targetRef', 'targetRefs'])] },
)

const mutualTls = object('Whether plaintext is taken.', {
  mode: oneOf('UNSET inherits.', ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']),
})

export const peerAuthentication: Schema = object(
  'Whether pods take connections without mutual TLS.',
  {
    selector: workloadSelector,
    mtls: mutualTls,
    portLevelMtls: {
      ...map(mutualTls, 1024),
      minProperties: 1,
      description: 'The mode of single ports of the pods selected.',
      'x-kubernetes-validations': [
        { rule: 'self.all(key, 0 < int(key) && int(key) <= 65535)', message: 'port must be between 1-65535' },
      ],
    },
  },
  {
    rules: [
      {
        rule: '(has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0) || !has(self.portLevelMtls)',
        message: 'portLevelMtls requires selector',
      },
    ],
  },
)
