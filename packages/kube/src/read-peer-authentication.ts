import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'

/** DISABLE counts as permissive: a node proxy never starts mTLS by it. */
export type MutualTlsMode = 'strict' | 'permissive' | 'unset'

/** The parts of a PeerAuthentication this mesh looks at. */
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
export function oldestPeerAuthentication(
  found: readonly PeerAuthentication[],
): PeerAuthentication | undefined {
  const age = (one: PeerAuthentication): string => `${one.createdAt} ${one.namespace} ${one.name}`
  return found.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]
}

/**
 * Whether plaintext to a port of the workload is refused: the mode of the port, else that of the nearest one that has any. Pure.
 */
export function isStrictAt(chain: PeerAuthenticationChain, port: number): boolean {
  const { workload, namespace, mesh } = chain
  const modes = [workload?.portModes[port], workload?.mode, namespace?.mode, mesh?.mode]
  return modes.find((mode) => mode !== undefined && mode !== 'unset') === 'strict'
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

/** Whether a text is a port number, as keys of a map are. Pure. */
export function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
}
