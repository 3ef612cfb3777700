import { describeRef, type KubeObject, type ResourceSource, type ResourceWriter } from '@ambient/kube'
import { Backoff, type Clock, type Random } from '@ambient/lifecycle'

export interface PublishRootsDeps {
  readonly source: Pick<ResourceSource, 'watch'>
  readonly writer: Pick<ResourceWriter, 'apply'>
  readonly clock: Clock
  readonly random: Random
  /** The root bundle now, and a promise of the next one. */
  readonly roots: () => { readonly pem: string; readonly changed: Promise<unknown> }
  readonly onFailure: (what: string, cause: unknown) => void
}

/** What pods mount to know istiod, and each other, by. @see istiod.md 2.6 */
export const ROOT_CONFIG_MAP = 'istio-ca-root-cert'
const KEY = 'root-cert.pem'
const OWNER = { owner: 'istio-ca-root-cert' }
const LEFT_OUT: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])
const BACKOFF = { firstMs: 500, factor: 2, maxMs: 30_000, jitter: 0.3 } as const

/**
 * Keeps a ConfigMap with the root bundle in every namespace, until `signal` aborts. Level-triggered: a namespace that
 * comes, a ConfigMap that somebody changes or takes away, and a new bundle all lead to the same look.
 */
export async function publishRoots(deps: PublishRootsDeps, signal: AbortSignal): Promise<void> {
  const namespaces = new Set<string>()
  const found = new Map<string, string | undefined>()
  let wake = Promise.withResolvers<void>()
  const follow = async (kind: 'Namespace' | 'ConfigMap'): Promise<void> => {
    const named = kind === 'ConfigMap' ? { fieldSelector: { 'metadata.name': ROOT_CONFIG_MAP } } : {}
    for await (const event of deps.source.watch(kind, signal, named)) {
      if (event.type === 'synced') wake.resolve()
      else if (take(event.object, event.type === 'deleted', namespaces, found)) wake.resolve()
    }
  }
  const following = Promise.all([follow('Namespace'), follow('ConfigMap')])
  const backoff = new Backoff(BACKOFF, deps.random)
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  while (!signal.aborted) {
    const { pem, changed } = deps.roots()
    await Promise.race([wake.promise, changed, ended])
    wake = Promise.withResolvers()
    if (
      !(await writeMissing(deps, { namespaces, found, pem: deps.roots().pem }, signal)) &&
      !signal.aborted
    ) {
      await deps.clock.sleep(backoff.nextMs(), signal).catch(() => {}) // rejects only when it is to end
      wake.resolve()
    } else if (pem === deps.roots().pem) backoff.reset()
  }
  await following
}

/** @returns whether it may matter. */
function take(
  object: KubeObject,
  isGone: boolean,
  namespaces: Set<string>,
  found: Map<string, string | undefined>,
): boolean {
  const { name, namespace = '' } = object.metadata
  if (object.kind === 'Namespace') {
    const isEnding = isGone || object.metadata.deletionTimestamp !== undefined || LEFT_OUT.has(name)
    if (isEnding) namespaces.delete(name)
    else namespaces.add(name)
    return !isEnding
  }
  if (isGone) found.delete(namespace)
  else found.set(namespace, pemOf(object))
  return true
}

function pemOf({ data }: KubeObject): string | undefined {
  const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, KEY) : undefined
  return typeof value === 'string' ? value : undefined
}

interface Wanted {
  readonly namespaces: ReadonlySet<string>
  readonly found: Map<string, string | undefined>
  readonly pem: string
}

/** @returns whether every namespace has the bundle. */
async function writeMissing(
  { writer, onFailure }: PublishRootsDeps,
  { namespaces, found, pem }: Wanted,
  signal: AbortSignal,
): Promise<boolean> {
  let isWhole = true
  for (const namespace of namespaces) {
    if (signal.aborted) return false
    if (found.get(namespace) === pem) continue
    try {
      await writer.apply(
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: ROOT_CONFIG_MAP, namespace, labels: { 'istio.io/config': 'true' } },
          data: { [KEY]: pem },
        },
        OWNER,
      )
      found.set(namespace, pem)
    } catch (cause) {
      isWhole = false
      onFailure(describeRef({ kind: 'ConfigMap', namespace, name: ROOT_CONFIG_MAP }), cause)
    }
  }
  return isWhole
}
