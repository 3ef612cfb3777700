import { type KubeObject, type Manifest, objectKey, type OwnerReference } from '@ambient/kube'
import type { RootPlace, RootWrite } from './root-place.ts'

/** What every namespace is to have, at one time. */
export interface TrustMaps {
  /** PEM by the ConfigMap's name; what is undefined there is none of, and what was written before stays. */
  readonly maps: Readonly<Record<TrustMapName, string | undefined>>
  /** Whether a namespace with these labels gets them. */
  readonly isWanted: (namespace: string, labels: Readonly<Record<string, string>>) => boolean
}

/** What pods mount to know istiod and each other by, and to know revoked certificates by. @see istiod.md 2.6 */
const KEYS = { 'istio-ca-root-cert': 'root-cert.pem', 'istio-ca-crl': 'ca-crl.pem' } as const
type TrustMapName = keyof typeof KEYS
const NAMES: readonly TrustMapName[] = ['istio-ca-root-cert', 'istio-ca-crl']
const LEFT_OUT: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])

/** ConfigMaps with the roots and the revocation lists, in every namespace that is to have them. */
export class NamespaceRoots implements RootPlace {
  readonly owner = 'istio-ca-root-cert'
  readonly watches: RootPlace['watches'] = [
    { kind: 'Namespace', options: {} },
    ...NAMES.map((name) => ({
      kind: 'ConfigMap' as const,
      options: { fieldSelector: { 'metadata.name': name } },
    })),
  ]
  readonly #trust: () => TrustMaps
  readonly #owners: readonly OwnerReference[]
  /** Labels by namespace. */
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>()
  /** What stands in the ConfigMaps, by `namespace/name`. */
  readonly #found = new Map<string, string | undefined>()

  /** @param owners What the ConfigMaps belong to, and go with. */
  constructor(trust: () => TrustMaps, owners: readonly OwnerReference[]) {
    this.#trust = trust
    this.#owners = owners
  }

  take(object: KubeObject, isGone: boolean): boolean {
    const { name, labels, deletionTimestamp } = object.metadata
    if (object.kind === 'Namespace') {
      const isEnding = isGone || deletionTimestamp !== undefined || LEFT_OUT.has(name)
      if (isEnding) this.#namespaces.delete(name)
      else this.#namespaces.set(name, labels)
      return !isEnding
    }
    if (isGone) this.#found.delete(objectKey(object.metadata))
    else this.#found.set(objectKey(object.metadata), pemOf(object))
    return true
  }

  missing(): readonly RootWrite[] {
    const { maps, isWanted } = this.#trust()
    const wanted = [...this.#namespaces].filter(([namespace, labels]) => isWanted(namespace, labels))
    return wanted.flatMap(([namespace]) =>
      NAMES.flatMap((name) => {
        const pem = maps[name]
        const key = `${namespace}/${name}`
        if (pem === undefined || this.#found.get(key) === pem) return []
        const onWritten = (): void => void this.#found.set(key, pem)
        return [{ object: this.#trustMap(namespace, name, pem), onWritten }]
      }),
    )
  }

  #trustMap(namespace: string, name: TrustMapName, pem: string): Manifest {
    const ownerReferences = this.#owners.length === 0 ? {} : { ownerReferences: this.#owners }
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, labels: { 'istio.io/config': 'true' }, ...ownerReferences },
      data: { [KEYS[name]]: pem },
    }
  }
}

function pemOf({ metadata: { name }, data }: KubeObject): string | undefined {
  const key = NAMES.find((each) => each === name)
  if (key === undefined || typeof data !== 'object' || data === null) return undefined
  const value: unknown = Reflect.get(data, KEYS[key])
  return typeof value === 'string' ? value : undefined
}
