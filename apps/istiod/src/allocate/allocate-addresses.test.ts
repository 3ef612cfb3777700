import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources, KubeError, readAllocatedAddresses, type ResourceWriter } from '@ambient/kube'
import { type Clock, systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { feedMeshState } from '../watch/feed-mesh-state.ts'
import { allocateAddresses } from './allocate-addresses.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'istiod-allocate-'))))
afterEach(() => rmSync(directory, { recursive: true }))

const ranges = { ipv4: { ip: '240.240.0.0', length: 16 }, ipv6: { ip: '2001:2::', length: 48 } }

/** Waits for nothing. */
const eagerClock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(0, signal) }

/** Waits until `check` passes, longer than it ever takes on a busy machine. */
function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

interface Running extends AsyncDisposable {
  /** What became of each attempt, as `kind name`. */
  readonly log: string[]
  readonly ended: AbortController
  allocated(name: string): Promise<readonly string[]>
}

/** A state fed from the directory, and addresses written back to it. */
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
  const allocating = allocateAddresses(
    {
      claims: state.addressClaims,
      writer: { applyStatus, ...writer },
      clock,
      ranges,
      onWrite: ({ kind, write }) => log.push(`${kind} ${write.claim.ref.name}`),
      onExhausted: () => {},
    },
    ended.signal,
  )
  return {
    log,
    ended,
    allocated: async (name) => {
      const found = (await resources.list('ServiceEntry')).find(({ metadata }) => metadata.name === name)
      return found === undefined ? [] : readAllocatedAddresses(found).map(({ host, ip }) => `${host} ${ip}`)
    },
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await Promise.all([feeding, allocating])
      await resources[Symbol.asyncDispose]()
    },
  }
}

function put(name: string, spec: string, more = ''): void {
  const text = `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n${more}`
  writeFileSync(join(directory, `${name}.yaml`), text)
}

test('allocateAddresses() follows what is wanted: more hosts, another resolution, addresses of the user', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  await using running = await start()
  const a1 = ['a.example 240.240.0.1', 'a.example 2001:2::1']
  await eventually(async () => expect(await running.allocated('a')).toEqual(a1))
  put('a', '{hosts: [b.example, a.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('a')).toEqual(['b.example 240.240.0.2', 'b.example 2001:2::2', ...a1]),
  )
  put('a', '{hosts: [a.example], resolution: NONE}')
  await eventually(async () => expect(await running.allocated('a')).toEqual([]))
  put('b', '{hosts: [b.example], addresses: [240.240.0.3], resolution: STATIC}')
  put('c', '{hosts: [c.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('c')).toEqual([
      expect.stringMatching(/^c.example 240.240.0.[45]$/),
      'c.example 2001:2::3',
    ]),
  )
  expect(running.log.filter((line) => !line.startsWith('written'))).toEqual([])
})

test('allocateAddresses() clears what somebody else has written when it is not wanted', async () => {
  put(
    'a',
    '{hosts: [a.example], resolution: NONE}',
    'status: {addresses: [{host: a.example, value: 240.240.0.9}]}\n',
  )
  await using running = await start()
  await eventually(() => expect(running.log).toEqual(['written a']))
  expect(await running.allocated('a')).toEqual([])
})

test('allocateAddresses() leaves one that turns invalid what it has, and writes nothing for it', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  await using running = await start()
  await eventually(async () => expect(await running.allocated('a')).toHaveLength(2))
  put('a', '{hosts: [], resolution: DNS}')
  put('b', '{hosts: [b.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('b')).toEqual(['b.example 240.240.0.2', 'b.example 2001:2::2']),
  )
  expect(await running.allocated('a')).toEqual(['a.example 240.240.0.1', 'a.example 2001:2::1'])
  await eventually(() => expect(running.log).toEqual(['written a', 'written b']))
})

test('allocateAddresses() tries a write that fails five times, then waits for a change', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  const isBroken = { now: true }
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const applyStatus: ResourceWriter['applyStatus'] = (...args) =>
    isBroken.now ? Promise.reject(new Error('no')) : resources.applyStatus(...args)
  await using running = await start({ applyStatus }, eagerClock)
  const failed = [...Array<string>(4).fill('failed a'), 'given-up a']
  await eventually(() => expect(running.log).toEqual(failed))
  isBroken.now = false
  put('b', '{hosts: [b.example], resolution: NONE}')
  await eventually(() => expect(running.log).toEqual([...failed, 'written a']))
})

test('allocateAddresses() passes over an entry that is gone, and ends leaving nothing behind', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  let asked = 0
  const applyStatus = (): Promise<void> => {
    asked++
    return Promise.reject(new KubeError('OBJECT_NOT_FOUND', 'gone'))
  }
  const running = await start({ applyStatus })
  await eventually(() => expect(asked).toBe(1))
  await running[Symbol.asyncDispose]()
  expect(running.log).toEqual([])
  expect(getEventListeners(running.ended.signal, 'abort')).toEqual([])
})
