import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fieldsOf, FileResources, KubeError, objectKey, type ResourceWriter } from '@ambient/kube'
import { type Clock, systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { type MeshState, meshState } from '../translate/mesh-state.ts'
import { feedMeshState } from '../watch/feed-mesh-state.ts'
import { writeStatuses } from './write-statuses.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'istiod-status-'))))
afterEach(() => rmSync(directory, { recursive: true }))

/** Waits until `check` passes, longer than it ever takes on a busy machine. */
function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

/** Waits for nothing. */
const eagerClock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(0, signal) }

interface Running extends AsyncDisposable {
  readonly state: MeshState
  readonly resources: FileResources
  /** What became of each attempt, as `kind object`. */
  readonly log: string[]
  readonly ended: AbortController
  conditions(name: string): Promise<readonly string[]>
}

/** A state fed from the directory, and its conditions written back to it. */
async function start(writer: Partial<ResourceWriter> = {}, clock = systemClock): Promise<Running> {
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const ended = new AbortController()
  const state = meshState(DEFAULT_MESH, () => {})
  const synced = Promise.withResolvers<void>()
  const feeding = feedMeshState(
    {
      source: resources,
      state,
      namespace: 'istio-system',
      clock: systemClock,
      onEvent: () => {},
      onCommitted: () => {},
      onSynced: synced.resolve,
    },
    ended.signal,
  )
  await synced.promise
  const log: string[] = []
  const applyStatus: ResourceWriter['applyStatus'] = (...args) => resources.applyStatus(...args)
  const writing = writeStatuses(
    {
      state: state.status,
      writer: { applyStatus, ...writer },
      clock,
      onWrite: ({ kind, ref }) => log.push(`${kind} ${objectKey(ref)}`),
    },
    ended.signal,
  )
  return {
    state,
    resources,
    log,
    ended,
    conditions: async (name) => {
      const objects = await resources.list('AuthorizationPolicy')
      const object = objects.find(({ metadata }) => metadata.name === name)
      if (object === undefined) return []
      return fieldsOf(object)
        .get('status')
        .get('conditions')
        .list()
        .map((item) => `${item.get('type').text()} ${item.get('status').text()} ${item.get('reason').text()}`)
    },
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await Promise.all([feeding, writing])
      await resources[Symbol.asyncDispose]()
    },
  }
}

function put(name: string, rules: string, more = ''): void {
  writeFileSync(
    join(directory, `${name}.yaml`),
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: shop${more}}\nspec: {rules: ${rules}}\n`,
  )
}

test('writeStatuses() writes, corrects and never repeats, and a second run finds nothing to do', async () => {
  put('a', '[{}]')
  put('b', '[{to: [{operation: {methods: [GET]}}]}]')
  {
    await using first = await start()
    await eventually(async () =>
      expect(await first.conditions('a')).toEqual(['ZtunnelAccepted True Accepted']),
    )
    await eventually(async () =>
      expect(await first.conditions('b')).toEqual(['ZtunnelAccepted True UnsupportedValue']),
    )
    put('a', '[{from: []}]')
    await eventually(async () =>
      expect(await first.conditions('a')).toEqual(['ZtunnelAccepted False Invalid']),
    )
    put('b', '[{}]', ', labels: {touched: "yes"}')
    await eventually(async () =>
      expect(await first.conditions('b')).toEqual(['ZtunnelAccepted True Accepted']),
    )
    await eventually(() =>
      expect(first.log).toEqual(Array<unknown>(4).fill(expect.stringMatching(/^written shop\/[ab]$/))),
    )
  }
  await using second = await start()
  put('c', '[{}]') // once it is written, everything before it has been looked at
  await eventually(async () =>
    expect(await second.conditions('c')).toEqual(['ZtunnelAccepted True Accepted']),
  )
  // What was said of "a" before depended on a version that the second has never seen.
  expect(second.log.toSorted()).toEqual(['written shop/a', 'written shop/c'])
})

test('writeStatuses() takes a condition away that no longer applies', async () => {
  put('a', '[{}]')
  await using running = await start()
  await eventually(async () => expect(await running.conditions('a')).toHaveLength(1))
  writeFileSync(
    join(directory, 'a.yaml'),
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: shop}\nspec: {targetRef: {kind: Service, name: web}, rules: [{}]}\n',
  )
  await eventually(async () =>
    expect(await running.conditions('a')).toEqual(['WaypointAccepted False TargetNotFound']),
  )
})

test('writeStatuses() leaves an object that is another control plane’s as it is', async () => {
  put('a', '[{}]')
  await using running = await start()
  await eventually(async () => expect(await running.conditions('a')).toHaveLength(1))
  put('a', '[{from: []}]', ', labels: {istio.io/rev: other}')
  await eventually(() => expect(running.state.status.conditions.size).toBe(0))
  put('b', '[{}]') // once it is written, everything before it has been looked at
  await eventually(async () => expect(await running.conditions('b')).toHaveLength(1))
  expect(await running.conditions('a')).toEqual(['ZtunnelAccepted True Accepted'])
})

test('writeStatuses() tries a write that fails again, gives up in the end, and begins anew with the next change', async () => {
  put('a', '[{}]')
  let failing = 2
  await using running = await start(
    {
      applyStatus: async (...args) => {
        if (failing-- > 0) throw new Error('away')
        await running.resources.applyStatus(...args)
      },
    },
    eagerClock,
  )
  await eventually(() => expect(running.log).toEqual(['failed shop/a', 'failed shop/a', 'written shop/a']))
  running.log.length = 0
  failing = 1_000
  put('a', '[{from: []}]')
  await eventually(() =>
    expect(running.log).toEqual([...Array<string>(4).fill('failed shop/a'), 'given-up shop/a']),
  )
  running.log.length = 0
  failing = 0
  put('a', '[{from: [], to: []}]')
  await eventually(() => expect(running.log).toEqual(['written shop/a']))
})

test('writeStatuses() lets go of an object that is gone or replaced', async () => {
  put('a', '[{}]')
  let attempts = 0
  await using running = await start({
    applyStatus: () => {
      attempts++
      unlinkSync(join(directory, 'a.yaml'))
      return Promise.reject(new KubeError('OBJECT_NOT_FOUND', 'gone'))
    },
  })
  await eventually(() => expect(running.state.inputs.get('AuthorizationPolicy')?.size).toBe(0))
  expect([attempts, running.log]).toEqual([1, []])
  running.ended.abort()
  await eventually(() => expect(getEventListeners(running.ended.signal, 'abort')).toEqual([]))
})
