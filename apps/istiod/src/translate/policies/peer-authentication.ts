import { fieldsOf, type Field, type KubeObject } from '@ambient/kube'
import type { AuthorizationPolicy, Match } from '@ambient/policy'
import { isPort } from './rule-clauses.ts'

/** DISABLE counts as permissive: a node proxy never starts mTLS by it. */
export type MutualTlsMode = 'strict' | 'permissive' | 'unset'

/** What istiod looks at of a PeerAuthentication. */
export interface PeerAuthentication {
  readonly namespace: string
  readonly name: string
  readonly createdAt: string
  /** `none`: it has a selector in the root namespace, where only those without count. */
  readonly level: 'mesh' | 'namespace' | 'workload' | 'none'
  readonly matchLabels: Readonly<Record<string, string>>
  readonly mode: MutualTlsMode
  /** By port; empty unless the level is `workload`. */
  readonly portModes: Readonly<Record<string, MutualTlsMode>>
  /** What it says and what does not count, in words. */
  readonly ignored: readonly string[]
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
  spec.refuseOthers(['selector', 'mtls', 'portLevelMtls'])
  const where = readPlace(object, spec.get('selector'), rootNamespace)
  const modes = readPortModes(spec.get('portLevelMtls'))
  const takesPorts = where.level === 'workload'
  const ignored = [
    ...(where.level === 'none'
      ? ['A selector does not count in the root namespace: nothing of it is enforced']
      : []),
    ...(modes.length > 0 && !takesPorts ? ['portLevelMtls does not count without a selector'] : []),
  ]
  return {
    ...where,
    mode: readMode(spec.get('mtls')),
    portModes: takesPorts ? Object.fromEntries(modes) : {},
    ignored,
  }
}

/**
 * What stands in for one that cannot be understood: plaintext is refused where it applies, and if that cannot be read
 * either, to every workload of its namespace.
 */
export function strictPeerAuthentication(object: KubeObject, rootNamespace: string): PeerAuthentication {
  const closed = { mode: 'strict', portModes: {}, ignored: [] } as const
  try {
    const selector = fieldsOf(object).get('spec').get('selector')
    return { ...readPlace(object, selector, rootNamespace), ...closed }
  } catch {
    const { namespace = '', name, creationTimestamp: createdAt } = object.metadata
    const level = namespace === rootNamespace ? 'mesh' : 'workload'
    return { namespace, name, createdAt, level, matchLabels: {}, ...closed }
  }
}

function readPlace(
  { metadata }: KubeObject,
  selector: Field,
  rootNamespace: string,
): Pick<PeerAuthentication, 'namespace' | 'name' | 'createdAt' | 'level' | 'matchLabels'> {
  const { namespace = '', name, creationTimestamp: createdAt } = metadata
  selector.refuseOthers(['matchLabels'])
  const matchLabels = selector.get('matchLabels').textMap()
  const hasSelector = Object.keys(matchLabels).length > 0
  const isRoot = namespace === rootNamespace
  const level = isRoot ? (hasSelector ? 'none' : 'mesh') : hasSelector ? 'workload' : 'namespace'
  return { namespace, name, createdAt, level, matchLabels }
}

function readPortModes(field: Field): readonly (readonly [string, MutualTlsMode])[] {
  return Object.keys(field.record()).map((port) => {
    if (!isPort(port)) throw field.get(port).invalid('must be under a port number')
    return [port, readMode(field.get(port))]
  })
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

function readMode(mtls: Field): MutualTlsMode {
  mtls.refuseOthers(['mode'])
  const mode = mtls.get('mode')
  switch (mode.text() ?? 'UNSET') {
    case 'STRICT':
      return 'strict'
    case 'PERMISSIVE':
    case 'DISABLE':
      return 'permissive'
    case 'UNSET':
      return 'unset'
    default:
      throw mode.invalid('must be STRICT, PERMISSIVE, DISABLE or UNSET')
  }
}
