import { expect, test } from 'vitest'
import { PodRegistry, type PodRegistryDeps, ZdsProtocolError } from './pod-registry.ts'

const info = { name: 'web-0', namespace: 'shop', serviceAccount: 'web' }

/** Descriptors below 10 are no namespaces, 10 to 19 are one, 20 to 29 another, and so on. */
function harness(failures: Map<string, string> = new Map()) {
  const events: string[] = []
  const deps: PodRegistryDeps = {
    start: (uid, _info, netns) => {
      events.push(`start ${uid} ${netns}`)
      return Promise.resolve(failures.get(uid))
    },
    stop: (uid) => {
      events.push(`stop ${uid}`)
      return Promise.resolve()
    },
    netnsId: (netns) => (netns < 10 ? undefined : { dev: 4, inode: Math.floor(netns / 10) }),
    closeDescriptor: (netns) => void events.push(`close ${netns}`),
    onChange: () => {},
  }
  return { registry: new PodRegistry(deps), events, failures }
}

test('add() starts a pod once for one namespace and closes the surplus descriptor', async () => {
  const { registry, events } = harness()
  registry.connected()
  expect(await registry.add('a', info, 10)).toBeUndefined()
  expect(await registry.add('a', info, 11)).toBeUndefined()
  expect(events).toEqual(['start a 10', 'close 11'])
})

test('add() with another namespace replaces the old one at once', async () => {
  const { registry, events } = harness()
  await registry.add('a', info, 10)
  await registry.add('a', info, 20)
  expect(events).toEqual(['start a 10', 'stop a', 'close 10', 'start a 20'])
})

test('add() that fails answers why, parks the pod as pending, and retryPending() brings it up', async () => {
  const { registry, failures } = harness(new Map([['a', 'bind [::]:15001: EADDRINUSE']]))
  registry.connected()
  expect(await registry.add('a', info, 10)).toBe('failure to start proxy : bind [::]:15001: EADDRINUSE')
  await registry.snapshotSent()
  expect(registry.isReady).toBe(false)
  failures.clear()
  await registry.retryPending()
  expect(registry.isReady).toBe(true)
  expect(registry.pods.get('a')?.state).toBe('up')
})

test('add() refuses a descriptor that is no network namespace, and keeps nothing', async () => {
  const { registry, events } = harness()
  expect(await registry.add('a', info, 3)).toContain('no network namespace')
  expect(events).toEqual(['close 3'])
  expect(registry.pods.size).toBe(0)
})

test('a pod that is removed while it is tried again stays removed', async () => {
  const { registry, events, failures } = harness(new Map([['a', 'EADDRINUSE']]))
  registry.connected()
  await registry.add('a', info, 10)
  await registry.snapshotSent()
  failures.clear()
  await Promise.all([registry.retryPending(), registry.remove('a')])
  expect(events.slice(-2)).toEqual(['stop a', 'close 10'])
  expect([registry.pods.size, registry.isReady]).toEqual([0, true])
})

test('snapshotSent() stops pods that this connection did not name and keeps the others', async () => {
  const { registry, events } = harness()
  registry.connected()
  await registry.add('a', info, 10)
  await registry.add('b', info, 20)
  await registry.add('c', info, 30)
  await registry.snapshotSent()
  registry.connected()
  await registry.add('a', info, 11)
  registry.keep('b')
  events.length = 0
  await registry.snapshotSent()
  expect(events).toEqual(['stop c', 'close 30'])
  expect([...registry.pods.keys()]).toEqual(['a', 'b'])
})

test('remove() before the snapshot leaves a running pod to the reconcile', async () => {
  const { registry, events } = harness()
  await registry.add('a', info, 10)
  registry.connected()
  await registry.add('a', info, 11)
  events.length = 0
  await registry.remove('a')
  expect(events).toEqual([])
  await registry.snapshotSent()
  expect(events).toEqual(['stop a', 'close 10'])
})

test('remove() after the snapshot stops at once, and an unknown pod is no error', async () => {
  const { registry, events } = harness()
  registry.connected()
  await registry.add('a', info, 10)
  await registry.snapshotSent()
  events.length = 0
  await registry.remove('a')
  await registry.remove('never')
  expect(events).toEqual(['stop a', 'close 10'])
})

test('keep() and a second snapshotSent() after the snapshot are protocol errors', async () => {
  const { registry } = harness()
  registry.connected()
  await registry.snapshotSent()
  expect(() => registry.keep('a')).toThrow(ZdsProtocolError)
  await expect(registry.snapshotSent()).rejects.toThrow(ZdsProtocolError)
})

test('disconnected() makes it not ready and stops nothing', async () => {
  const { registry, events } = harness()
  registry.connected()
  await registry.add('a', info, 10)
  await registry.snapshotSent()
  expect(registry.isReady).toBe(true)
  events.length = 0
  registry.disconnected()
  expect(registry.isReady).toBe(false)
  expect(events).toEqual([])
})
