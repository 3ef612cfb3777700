import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict'
import { systemClock } from '@ambient/lifecycle'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject, ObjectRef } from './kube-object.ts'
import type { KindName } from './resource-kinds.ts'
import type { ListOptions, Manifest, ResourceSource, ResourceWriter, WatchEvent } from './resource-source.ts'

/** One place that holds objects, seen as two processes would see it, and the user who edits it. */
export interface ResourceSetup extends AsyncDisposable {
  readonly first: ResourceSource & ResourceWriter
  readonly second: ResourceSource & ResourceWriter
  /** Unused by anything else; the checks stay inside it. */
  readonly namespace: string
  /** Puts or replaces an object the way a user does. */
  readonly put: (object: Manifest) => Promise<void>
  readonly remove: (ref: ObjectRef) => Promise<void>
}

export interface ResourceCheck {
  readonly name: string
  readonly run: (setup: ResourceSetup) => Promise<void>
}

/** What every `ResourceSource` and `ResourceWriter` does, whatever is behind it. */
export const resourceChecks: readonly ResourceCheck[] = [
  { name: 'list() gives what the user put, with its metadata filled in', run: listsWhatIsThere },
  { name: 'watch() tells what is there, then synced, then each change', run: watchesChanges },
  { name: 'watch() tells an object that stops matching as deleted', run: watchesSelected },
  { name: 'watch() ends without an error when the signal aborts', run: endsWatches },
  {
    name: 'watch() tells a new incarnation as deleted and added, with a new uid and no old annotations',
    run: tellsIncarnations,
  },
  { name: 'applyAnnotations() changes only what it names and takes away with null', run: appliesAnnotations },
  { name: 'applyAnnotations() refuses an object that is missing or replaced', run: refusesWrongTargets },
  { name: 'applyAnnotations() loses nothing when two processes write at once', run: keepsConcurrentWrites },
  {
    name: 'applyLabels() and requestDeletion() are about one incarnation and go with it',
    run: changesOneIncarnation,
  },
  {
    name: 'applyStatus() keeps the conditions of two owners apart, and takes away those of one',
    run: appliesStatus,
  },
  {
    name: 'apply() creates, replaces its own fields and leaves generation alone for metadata',
    run: appliesObjects,
  },
  { name: 'delete() removes what its owner applied and nothing else', run: deletesOwn },
  { name: 'lease() is held by one, renewed by it, and taken over when given up or expired', run: leases },
]

/**
 * Registers every check as one test.
 *
 * @param test The runner's `test`.
 * @param open A fresh setup for each check.
 */
export function verifyResources(
  test: (title: string, run: () => Promise<void>) => void,
  open: () => Promise<ResourceSetup>,
): void {
  for (const { name, run } of resourceChecks) {
    test(name, async () => {
      await using setup = await open()
      await run(setup)
    })
  }
}

const OWNER = { owner: 'verify-a' }
const OTHER = { owner: 'verify.example/b' }

async function listsWhatIsThere({ first, put, namespace }: ResourceSetup): Promise<void> {
  await put(pod(namespace, 'web', { labels: { app: 'web' } }))
  await put(pod(namespace, 'db', { labels: { app: 'db' } }))
  const found = await waitFor('two pods in the list', async () => {
    const pods = await first.list('Pod', { namespace })
    return pods.length === 2 ? pods : undefined
  })
  const web = found.find((object) => object.metadata.name === 'web')
  equal(web?.metadata.namespace, namespace)
  deepEqual(web?.metadata.labels, { app: 'web' })
  notEqual(web?.metadata.uid, '')
  notEqual(web?.metadata.resourceVersion, '')
  ok(!Number.isNaN(Date.parse(web?.metadata.creationTimestamp ?? '')))
  const labelSelector = { matchLabels: { app: 'db' }, matchExpressions: [] }
  deepEqual(
    (await first.list('Pod', { namespace, labelSelector })).map((object) => object.metadata.name),
    ['db'],
  )
  deepEqual(await first.list('Service', { namespace }), [])
}

async function watchesChanges({ first, put, remove, namespace }: ResourceSetup): Promise<void> {
  await put(pod(namespace, 'web'))
  await waitForObject(first, namespace, 'web')
  await using seen = record(first, 'Pod', { namespace })
  await seen.until('synced', (events) => events.some((event) => event.type === 'synced'))
  deepEqual(seen.texts(), ['added web', 'synced'])
  await put(pod(namespace, 'web', { labels: { app: 'web' } }))
  await seen.until('modified', (events) => events.at(-1)?.type === 'modified')
  await put(pod(namespace, 'late'))
  await seen.until('added late', () => seen.texts().includes('added late'))
  await remove({ kind: 'Pod', namespace, name: 'web' })
  await seen.until('deleted web', () => seen.texts().includes('deleted web'))
}

async function watchesSelected({ first, put, namespace }: ResourceSetup): Promise<void> {
  await put(pod(namespace, 'here', { node: 'node-a' }))
  await put(pod(namespace, 'there', { node: 'node-b' }))
  await waitForObject(first, namespace, 'there')
  await using seen = record(first, 'Pod', {
    namespace,
    labelSelector: { matchLabels: { role: 'yes' }, matchExpressions: [] },
  })
  await using local = record(first, 'Pod', { namespace, fieldSelector: { 'spec.nodeName': 'node-a' } })
  await local.until('synced', () => local.texts().includes('synced'))
  deepEqual(local.texts(), ['added here', 'synced'])
  await seen.until('synced', () => seen.texts().includes('synced'))
  await put(pod(namespace, 'here', { node: 'node-a', labels: { role: 'yes' } }))
  await seen.until('added here', () => seen.texts().includes('added here'))
  await put(pod(namespace, 'here', { node: 'node-a' }))
  await seen.until('deleted here', () => seen.texts().includes('deleted here'))
}

async function endsWatches({ first, namespace }: ResourceSetup): Promise<void> {
  const ended = new AbortController()
  const seen: string[] = []
  for await (const event of first.watch('Pod', ended.signal, { namespace })) {
    seen.push(event.type)
    ended.abort()
  }
  deepEqual(seen, ['synced'])
}

async function tellsIncarnations({ first, put, remove, namespace }: ResourceSetup): Promise<void> {
  const ref = { kind: 'Pod', namespace, name: 'web' } as const
  await put(pod(namespace, 'web'))
  const before = await waitForObject(first, namespace, 'web')
  await first.applyAnnotations(ref, { 'verify/mark': 'old' }, OWNER)
  await using seen = record(first, 'Pod', { namespace })
  await seen.until('synced', () => seen.texts().includes('synced'))
  await remove(ref)
  await seen.until('deleted web', () => seen.texts().includes('deleted web'))
  await put(pod(namespace, 'web'))
  await seen.until('added web again', () => seen.texts().filter((text) => text === 'added web').length === 2)
  const after = await waitForObject(first, namespace, 'web')
  notEqual(after.metadata.uid, before.metadata.uid)
  deepEqual(after.metadata.annotations, {})
}

async function appliesAnnotations({ first, second, put, namespace }: ResourceSetup): Promise<void> {
  const ref = { kind: 'Pod', namespace, name: 'web' } as const
  await put(pod(namespace, 'web', { annotations: { mine: 'user' } }))
  const { generation } = (await waitForObject(first, namespace, 'web')).metadata
  await first.applyAnnotations(ref, { a: '1', b: '2' }, OWNER)
  await first.applyAnnotations(ref, { c: '3' }, OTHER)
  await first.applyAnnotations(ref, { a: '4', b: null }, OWNER)
  const own = await waitForObject(first, namespace, 'web')
  deepEqual(own.metadata.annotations, { mine: 'user', a: '4', c: '3' })
  equal(own.metadata.generation, generation)
  await first.applyAnnotations(ref, { mine: null }, OWNER)
  await waitFor('the other process to see the annotations', async () => {
    const found = (await second.list('Pod', { namespace }))[0]?.metadata.annotations ?? {}
    return Object.keys(found).length === 2 && found['a'] === '4' && found['c'] === '3' ? found : undefined
  })
}

async function refusesWrongTargets({ first, put, namespace }: ResourceSetup): Promise<void> {
  await put(pod(namespace, 'web'))
  await waitForObject(first, namespace, 'web')
  const gone = { kind: 'Pod', namespace, name: 'gone' } as const
  const replaced = {
    kind: 'Pod',
    namespace,
    name: 'web',
    uid: '00000000-0000-4000-8000-000000000000',
  } as const
  await rejects(first.applyAnnotations(gone, { a: '1' }, OWNER), { code: 'OBJECT_NOT_FOUND' })
  await rejects(first.applyStatus(gone, {}, OWNER), { code: 'OBJECT_NOT_FOUND' })
  await rejects(first.applyAnnotations(replaced, { a: '1' }, OWNER), { code: 'OBJECT_REPLACED' })
}

async function keepsConcurrentWrites({ first, second, put, namespace }: ResourceSetup): Promise<void> {
  const ref = { kind: 'Pod', namespace, name: 'web' } as const
  await put(pod(namespace, 'web'))
  await Promise.all([waitForObject(first, namespace, 'web'), waitForObject(second, namespace, 'web')])
  const numbers = Array.from({ length: 10 }, (_, index) => index)
  await Promise.all(
    numbers.flatMap((n) => [
      first.applyAnnotations(ref, { [`first-${n}`]: 'x' }, OWNER),
      second.applyAnnotations(ref, { [`second-${n}`]: 'x' }, OWNER),
    ]),
  )
  await waitFor('all twenty annotations', async () => {
    const found = (await first.list('Pod', { namespace }))[0]
    return Object.keys(found?.metadata.annotations ?? {}).length === 20 ? found : undefined
  })
}

async function changesOneIncarnation({
  first,
  second,
  put,
  remove,
  namespace,
}: ResourceSetup): Promise<void> {
  const ref = { kind: 'Pod', namespace, name: 'web' } as const
  await put(pod(namespace, 'web', { labels: { app: 'web' } }))
  const { uid } = (await waitForObject(first, namespace, 'web')).metadata
  const another = { ...ref, uid: '00000000-0000-4000-8000-000000000000' }
  await rejects(first.applyLabels(another, { a: '1' }, OWNER), { code: 'OBJECT_REPLACED' })
  await rejects(first.requestDeletion(another, OWNER), { code: 'OBJECT_REPLACED' })
  await first.applyLabels({ ...ref, uid }, { a: '1' }, OWNER)
  await first.applyLabels({ ...ref, uid }, { b: '2' }, OWNER)
  deepEqual((await waitForObject(first, namespace, 'web')).metadata.labels, { app: 'web', a: '1', b: '2' })
  await first.requestDeletion({ ...ref, uid }, OWNER)
  // Whoever runs the pod may have taken it away already.
  await waitFor('the other process to see that it is to go', async () => {
    const [found] = await second.list('Pod', { namespace })
    return found === undefined || found.metadata.deletionTimestamp !== undefined ? true : undefined
  })
  await remove(ref)
  for (const process of [first, second])
    await waitFor('it to be gone', async () =>
      (await process.list('Pod', { namespace })).length === 0 ? true : undefined,
    )
  await first.requestDeletion({ ...ref, uid }, OWNER)
  await put(pod(namespace, 'web', { labels: { app: 'web' } }))
  const next = await waitFor('its successor', async () => {
    const [found] = await first.list('Pod', { namespace })
    return found !== undefined && found.metadata.uid !== uid ? found : undefined
  })
  deepEqual([next.metadata.labels, next.metadata.deletionTimestamp], [{ app: 'web' }, undefined])
}

/** On a Service: of a pod's conditions not all are listed. */
async function appliesStatus({ first, put, namespace }: ResourceSetup): Promise<void> {
  const ref = { kind: 'Service', namespace, name: 'shop' } as const
  const look = (): Promise<KubeObject> => waitForObject(first, namespace, 'shop', 'Service')
  await put(service(namespace, 'shop', { ports: [{ name: 'http', port: 80 }] }))
  const { generation } = (await look()).metadata
  await first.applyStatus(ref, { conditions: [condition('A', 'True')] }, OWNER)
  await first.applyStatus(ref, { conditions: [condition('B', 'True')] }, OTHER)
  await first.applyStatus(ref, { conditions: [condition('A', 'False')] }, OWNER)
  const after = await look()
  deepEqual(conditionTexts(after), ['A False', 'B True'])
  equal(after.metadata.generation, generation)
  await first.applyStatus(ref, {}, OWNER)
  deepEqual(conditionTexts(await look()), ['B True'])
}

function conditionTexts(object: KubeObject): readonly string[] {
  const conditions = fieldsOf(object).get('status').get('conditions').list()
  return conditions.map((item) => `${item.get('type').text()} ${item.get('status').text()}`).toSorted()
}

/** On a kind whose generation the API server counts; of Services and the like it does not. */
async function appliesObjects({ first, second, namespace }: ResourceSetup): Promise<void> {
  const kind = 'AuthorizationPolicy'
  const object = {
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { namespace, name: 'shop' },
    spec: { action: 'ALLOW' },
  } as const
  await first.apply(object, OWNER)
  const created = await waitForObject(second, namespace, 'shop', kind)
  await first.apply({ ...object, metadata: { ...object.metadata, labels: { a: '1' } } }, OWNER)
  const labelled = (await first.list(kind, { namespace }))[0]
  deepEqual(labelled?.metadata.labels, { a: '1' })
  equal(labelled?.metadata.uid, created.metadata.uid)
  equal(labelled?.metadata.generation, created.metadata.generation)
  notEqual(labelled?.metadata.resourceVersion, created.metadata.resourceVersion)
  await first.apply({ ...object, spec: { action: 'DENY' } }, OWNER)
  const changed = (await first.list(kind, { namespace }))[0]
  deepEqual(changed?.metadata.labels, {})
  notEqual(changed?.metadata.generation, created.metadata.generation)
}

async function deletesOwn({ first, second, put, namespace }: ResourceSetup): Promise<void> {
  const ref = { kind: 'Service', namespace, name: 'shop' } as const
  await first.apply(service(namespace, 'shop', { ports: [{ name: 'http', port: 80 }] }), OWNER)
  await put(pod(namespace, 'web'))
  await Promise.all([
    waitForObject(second, namespace, 'shop', 'Service'),
    waitForObject(first, namespace, 'web'),
  ])
  await rejects(first.delete(ref, OTHER), { code: 'OBJECT_NOT_OWNED' })
  await rejects(first.delete({ kind: 'Pod', namespace, name: 'web' }, OWNER), { code: 'OBJECT_NOT_OWNED' })
  await first.delete(ref, OWNER)
  await first.delete(ref, OWNER)
  await waitFor('the other process to see it gone', async () =>
    (await second.list('Service', { namespace })).length === 0 ? true : undefined,
  )
}

async function leases({ first, second, namespace }: ResourceSetup): Promise<void> {
  const name = `lease-${namespace}`
  equal((await first.lease(name, { holder: 'a', durationMs: 30_000 })).kind, 'held')
  const taken = await second.lease(name, { holder: 'b', durationMs: 30_000 })
  equal(taken.kind === 'taken' ? taken.holder : taken.kind, 'a')
  equal((await first.lease(name, { holder: 'a', durationMs: 30_000 })).kind, 'held')
  equal((await first.lease(name, { holder: 'a', durationMs: 0 })).kind, 'released')
  equal((await second.lease(name, { holder: 'b', durationMs: 1_000 })).kind, 'held')
  await waitFor('the lease to expire and be taken over', async () => {
    const answer = await first.lease(name, { holder: 'a', durationMs: 30_000 })
    return answer.kind === 'held' ? answer : undefined
  })
}

interface Recording extends AsyncDisposable {
  texts(): readonly string[]
  until(what: string, isThere: (events: readonly WatchEvent[]) => boolean): Promise<void>
}

function record(source: ResourceSource, kind: KindName, options: ListOptions): Recording {
  const ended = new AbortController()
  const events: WatchEvent[] = []
  const running = (async (): Promise<void> => {
    for await (const event of source.watch(kind, ended.signal, options)) events.push(event)
  })()
  const texts = (): readonly string[] =>
    events.map((event) =>
      event.type === 'synced' ? 'synced' : `${event.type} ${event.object.metadata.name}`,
    )
  return {
    texts,
    until: async (what, isThere) => {
      await waitFor(`${what} (seen: ${texts().join(', ')})`, () =>
        Promise.resolve(isThere(events) || undefined),
      )
    },
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await running
    },
  }
}

function waitForObject(
  source: ResourceSource,
  namespace: string,
  name: string,
  kind: KindName = 'Pod',
): Promise<KubeObject> {
  return waitFor(`${kind} ${namespace}/${name}`, async () =>
    (await source.list(kind, { namespace })).find((object) => object.metadata.name === name),
  )
}

async function waitFor<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const untilMs = systemClock.monotonicMs() + 10_000
  while (systemClock.monotonicMs() < untilMs) {
    const found = await look()
    if (found !== undefined) return found
    await systemClock.sleep(5)
  }
  throw new Error(`Waited 10 s in vain for ${what}`)
}

interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly node?: string
}

function pod(
  namespace: string,
  name: string,
  { labels = {}, annotations = {}, node }: PodOptions = {},
): Manifest {
  const containers = [{ name: 'app', image: 'app' }]
  const spec = { ...(node === undefined ? {} : { nodeName: node }), containers }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels, annotations }, spec }
}

function service(namespace: string, name: string, spec: Readonly<Record<string, unknown>>): Manifest {
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec }
}

function condition(type: string, status: string): Readonly<Record<string, string>> {
  return { type, status, reason: 'Verified', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }
}
