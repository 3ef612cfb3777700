import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fieldsOf, KubeError, objectKey, type ResourceWriter } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eagerClock, eventually, type Fed, fedState } from '../../test/fed-state.ts'
import { writeStatuses } from './write-statuses.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'istiod-status-'))))
afterEach(() => rmSync(directory, { recursive: true }))

interface Running extends Fed, AsyncDisposable {
  /** What became of each attempt, as `kind object`. */
  readonly log: string[]
  conditions(name: string): Promise<readonly string[]>
}

/** Conditions written back to the directory. */
async function start(writer: Partial<ResourceWriter> = {}, clock = systemClock): Promise<Running> {
  const log: string[] = []
  const fed = await fedState(directory, ({ state, resources, ended }) =>
    writeStatuses(
      {
        state: state.status,
        writer: { applyStatus: (...args) => resources.applyStatus(...args), ...writer },
        clock,
        onWrite: ({ kind, ref }) => log.push(`${kind} ${objectKey(ref)}`),
      },
      ended.signal,
    ),
  )
  return {
    ...fed,
    log,
    conditions: async (name) => {
      const objects = await fed.resources.list('AuthorizationPolicy')
      const object = objects.find(({ metadata }) => metadata.name === name)
      if (object === undefined) return []
      return fieldsOf(object)
        .get('status')
        .get('conditions')
        .list()
        .map((item) => `${item.get('type').text()} ${item.get('status').text()} ${item.get('reason').text()}`)
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
