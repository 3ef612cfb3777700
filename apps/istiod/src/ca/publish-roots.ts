import {
  describeRef,
  type KubeObject,
  type Manifest,
  objectKey,
  type ResourceSource,
  type ResourceWriter,
} from '@ambient/kube'
import { Backoff, type Clock, type Random } from '@ambient/lifecycle'

/** What every namespace is to have, at one time. */
export interface TrustMaps {
  /** PEM by the ConfigMap's name; what is undefined there is none of, and what was written before stays. */
  readonly maps: Readonly<Record<TrustMapName, string | undefined>>
  /** Whether a namespace with these labels gets them. */
  readonly isWanted: (namespace: string, labels: Readonly<Record<string, string>>) => boolean
  /** Settles when any of it is another. */
  readonly changed: Promise<unknown>
}

export interface PublishRootsDeps {
  readonly source: Pick<ResourceSource, 'watch'>
  readonly writer: Pick<ResourceWriter, 'apply'>
  readonly clock: Clock
  readonly random: Random
  readonly trust: () => TrustMaps
  readonly onFailure: (what: string, cause: unknown) => void
}

/** What pods mount to know istiod and each other by, and to know revoked certificates by. @see istiod.md 2.6 */
const KEYS = { 'istio-ca-root-cert': 'root-cert.pem', 'istio-ca-crl': 'ca-crl.pem' } as const
export type TrustMapName = keyof typeof KEYS
const NAMES: readonly TrustMapName[] = ['istio-ca-root-cert', 'istio-ca-crl']
const OWNER = { owner: 'istio-ca-root-cert' }
const LEFT_OUT: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])
const BACKOFF = { firstMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 } as const

/** What there is, as far as it was heard of. */
interface Seen {
  /** Labels by namespace. */
  readonly namespaces: Map<string, Readonly<Record<string, string>>>
  /** What stands in the ConfigMaps, by `namespace/name`. */
  readonly found: Map<string, string | undefined>
}

/**
 * Keeps ConfigMaps with the roots and the revocation lists in every namespace that is to have them, until `signal`
 * aborts. Level-triggered: a namespace that comes, a ConfigMap that somebody changes or takes away, and new roots all
 * lead to the same look.
 */
export async function publishRoots(deps: PublishRootsDeps, signal: AbortSignal): Promise<void> {
  const seen: Seen = { namespaces: new Map(), found: new Map() }
  let wake = Promise.withResolvers<void>()
  const follow = async (kind: 'Namespace' | 'ConfigMap', name?: TrustMapName): Promise<void> => {
    const named = name === undefined ? {} : { fieldSelector: { 'metadata.name': name } }
    for await (const event of deps.source.watch(kind, signal, named)) {
      if (event.type === 'synced') wake.resolve()
      else if (take(event.object, event.type === 'deleted', seen)) wake.resolve()
    }
  }
  const following = Promise.all([follow('Namespace'), ...NAMES.map((name) => follow('ConfigMap', name))])
  const backoff = new Backoff(BACKOFF, deps.random)
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  let { changed } = deps.trust()
  while (!signal.aborted) {
    await Promise.race([wake.promise, changed, ended])
    wake = Promise.withResolvers()
    const trust = deps.trust()
    changed = trust.changed // of what is written now: another that comes meanwhile is seen
    if (await writeMissing({ ...deps, trust }, seen, signal)) backoff.reset()
    else if (!signal.aborted) {
      await deps.clock.sleep(backoff.nextMs(), signal).catch(() => {}) // rejects only when it is to end
      wake.resolve()
    }
  }
  await following
}

/** @returns whether it may matter. */
function take(object: KubeObject, isGone: boolean, { namespaces, found }: Seen): boolean {
  const { name, labels, deletionTimestamp } = object.metadata
  if (object.kind === 'Namespace') {
    const isEnding = isGone || deletionTimestamp !== undefined || LEFT_OUT.has(name)
    if (isEnding) namespaces.delete(name)
    else namespaces.set(name, labels)
    return !isEnding
  }
  if (isGone) found.delete(objectKey(object.metadata))
  else found.set(objectKey(object.metadata), pemOf(object))
  return true
}

function pemOf({ metadata: { name }, data }: KubeObject): string | undefined {
  const key = NAMES.find((each) => each === name)
  if (key === undefined || typeof data !== 'object' || data === null) return undefined
  const value: unknown = Reflect.get(data, KEYS[key])
  return typeof value === 'string' ? value : undefined
}

/** @returns whether every namespace has what it is to have, of what there was when it began. */
async function writeMissing(
  { writer, trust, onFailure }: Omit<PublishRootsDeps, 'trust'> & { readonly trust: TrustMaps },
  { namespaces, found }: Seen,
  signal: AbortSignal,
): Promise<boolean> {
  const { maps, isWanted } = trust
  let isWhole = true
  const wanted = [...namespaces].filter(([namespace, labels]) => isWanted(namespace, labels))
  for (const [namespace] of wanted) {
    for (const name of NAMES) {
      const pem = maps[name]
      if (signal.aborted) return false
      if (pem === undefined || found.get(`${namespace}/${name}`) === pem) continue
      try {
        await writer.apply(trustMap(namespace, name, pem), OWNER)
        found.set(`${namespace}/${name}`, pem)
      } catch (cause) {
        isWhole = false
        onFailure(describeRef({ kind: 'ConfigMap', namespace, name }), cause)
      }
    }
  }
  return isWhole
}

function trustMap(namespace: string, name: TrustMapName, pem: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { 'istio.io/config': 'true' } },
    data: { [KEYS[name]]: pem },
  }
}
