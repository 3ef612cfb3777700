import { fieldsOf, type Field, type KubeObject } from '@ambient/kube'
import type { AuthorizationPolicy, Match } from '@ambient/policy'

/** DISABLE counts as permissive: a node proxy never starts mTLS by it. */
export type MutualTlsMode = 'strict' | 'permissive' | 'unset'

/** What istiod looks at of a PeerAuthentication. */
export interface PeerAuthentication {
  readonly namespace: string
  readonly name: string
  readonly createdAt: string
  readonly level: 'mesh' | 'namespace' | 'workload'
  readonly matchLabels: Readonly<Record<string, string>>
  readonly mode: MutualTlsMode
  /** By port; empty unless the level is `workload` and the namespace is not the root. */
  readonly portModes: Readonly<Record<string, MutualTlsMode>>
}

/** The ones in force for one workload, the nearest of each level. */
export interface PeerAuthenticationChain {
  readonly mesh: PeerAuthentication | undefined
  readonly namespace: PeerAuthentication | undefined
  readonly workload: PeerAuthentication | undefined
}

/** Which policy makes a chain true: none at all, the one shared by everybody, or one of the workload's own. */
export type PeerPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'static-strict' }
  | { readonly kind: 'own'; readonly policy: AuthorizationPolicy }

export const STATIC_STRICT = 'istio_converted_static_strict'

const NO_IDENTITY: Match = { notPrincipals: [{ kind: 'presence' }] }

/** @throws {KubeError} `OBJECT_INVALID` */
export function readPeerAuthentication(object: KubeObject, rootNamespace: string): PeerAuthentication {
  const spec = fieldsOf(object).get('spec')
  const { namespace = '', name, creationTimestamp } = object.metadata
  const matchLabels = spec.get('selector').get('matchLabels').textMap()
  const hasSelector = Object.keys(matchLabels).length > 0
  const isRoot = namespace === rootNamespace
  const ports = spec.get('portLevelMtls')
  const portModes = Object.keys(ports.record()).map((port): [string, MutualTlsMode] => {
    if (!/^\d{1,5}$/.test(port)) throw ports.get(port).invalid('must be under a port number')
    return [port, readMode(ports.get(port).get('mode'))]
  })
  return {
    namespace,
    name,
    createdAt: creationTimestamp,
    level: hasSelector ? 'workload' : isRoot ? 'mesh' : 'namespace',
    matchLabels,
    mode: readMode(spec.get('mtls').get('mode')),
    portModes: hasSelector && !isRoot ? Object.fromEntries(portModes) : {},
  }
}

/** What stands in for one that cannot be understood: plaintext is refused in its whole namespace. */
export function strictPeerAuthentication(object: KubeObject, rootNamespace: string): PeerAuthentication {
  const { namespace = '', name, creationTimestamp } = object.metadata
  const level = namespace === rootNamespace ? 'mesh' : 'namespace'
  return {
    namespace,
    name,
    createdAt: creationTimestamp,
    level,
    matchLabels: {},
    mode: 'strict',
    portModes: {},
  }
}

/** Of several at one level the oldest counts. */
export function oldest(found: readonly PeerAuthentication[]): PeerAuthentication | undefined {
  const age = (one: PeerAuthentication): string => `${one.createdAt} ${one.namespace} ${one.name}`
  return found.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]
}

/** Pure. @see istiod.md 6.3 */
export function peerPolicy(chain: PeerAuthenticationChain): PeerPolicy {
  const base = [chain.workload, chain.namespace, chain.mesh].find(
    (one) => one !== undefined && one.mode !== 'unset',
  )
  const isStrict = base?.mode === 'strict'
  const ports = Object.entries(chain.workload?.portModes ?? {})
  const exceptions = ports
    .filter(([, mode]) => mode === (isStrict ? 'permissive' : 'strict'))
    .map(([port]) => Number(port))
    .toSorted((a, b) => a - b)
  if (chain.workload === undefined || exceptions.length === 0)
    return { kind: isStrict ? 'static-strict' : 'none' }
  const rules = isStrict
    ? [[[NO_IDENTITY], [{ notDestinationPorts: exceptions }]]]
    : exceptions.map((port) => [[{ destinationPorts: [port], ...NO_IDENTITY }]])
  return {
    kind: 'own',
    policy: { ...denyPolicy(chain.workload.namespace, ownPolicyName(chain.workload)), rules },
  }
}

/** Refuses everybody without an identity; one for the whole mesh. */
export function staticStrictPolicy(rootNamespace: string): AuthorizationPolicy {
  return { ...denyPolicy(rootNamespace, STATIC_STRICT), rules: [[[NO_IDENTITY]]] }
}

function ownPolicyName(of: Pick<PeerAuthentication, 'name'>): string {
  return `converted_peer_authentication_${of.name}`
}

function denyPolicy(namespace: string, name: string): Omit<AuthorizationPolicy, 'rules'> {
  return { namespace, name, scope: 'workload-selector', action: 'deny', dryRun: false }
}

function readMode(field: Field): MutualTlsMode {
  switch (field.text() ?? 'UNSET') {
    case 'STRICT':
      return 'strict'
    case 'PERMISSIVE':
    case 'DISABLE':
      return 'permissive'
    case 'UNSET':
      return 'unset'
    default:
      throw field.invalid('must be STRICT, PERMISSIVE, DISABLE or UNSET')
  }
}
