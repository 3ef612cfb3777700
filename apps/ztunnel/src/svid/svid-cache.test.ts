import type { Clock } from '@ambient/lifecycle'
import { parseSpiffeId, type SpiffeId, type Svid } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { SvidCache, type SvidCacheDeps, type SvidChange } from './svid-cache.ts'

const HOUR_MS = 3_600_000
const web = id('web')

test('SvidCache.demand() asks once for all that wait, and keeps the answer', async () => {
  const mesh = setup()
  const first = mesh.cache.demand(web, 'real-time')
  const second = mesh.cache.demand(web, 'real-time')
  await mesh.answer(web)
  expect(await first).toBe(await second)
  expect((await mesh.cache.demand(web, 'real-time')).id).toBe(web)
  expect(mesh.asked).toEqual([web])
  await mesh.end()
})

test('SvidCache renews at half life and tells who listens', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.answer(web)
  await mesh.clock.advance(12 * HOUR_MS - 1)
  expect(mesh.asked).toHaveLength(1)
  await mesh.clock.advance(1)
  expect(mesh.asked).toHaveLength(2)
  await mesh.answer(web)
  expect(mesh.changes.map(({ state }) => state.kind)).toEqual(['available', 'available'])
  expect(mesh.cache.state(web)).toMatchObject({ kind: 'available', svid: { notBeforeMs: 12 * HOUR_MS } })
  await mesh.end()
})

test('SvidCache keeps a valid certificate while its renewal fails, with growing delays', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.answer(web)
  await mesh.clock.advance(12 * HOUR_MS)
  for (const delayMs of [1000, 2000, 4000, 8000]) {
    await mesh.fail(web, 'CA away')
    expect(mesh.cache.state(web)?.kind).toBe('available')
    await mesh.clock.advance(delayMs - 1)
    expect(mesh.pending(web)).toBe(false)
    await mesh.clock.advance(1)
    expect(mesh.pending(web)).toBe(true)
  }
  await mesh.end()
})

test('SvidCache becomes unavailable when the certificate expires and cannot be renewed', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.answer(web)
  await mesh.clock.advance(12 * HOUR_MS)
  for (let tries = 0; mesh.cache.state(web)?.kind === 'available' && tries < 1000; tries++) {
    await mesh.fail(web, 'CA away')
    await mesh.untilAsked(web)
  }
  expect(mesh.clock.nowMs()).toBeGreaterThanOrEqual(24 * HOUR_MS)
  expect(mesh.clock.nowMs()).toBeLessThan(24 * HOUR_MS + 300_000)
  expect(mesh.cache.state(web)).toEqual({ kind: 'unavailable', error: 'CA away' })
  await mesh.end()
})

test('SvidCache waits no longer than the cap between tries', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  const delaysMs: number[] = []
  for (let tries = 0; tries < 10; tries++) {
    await mesh.fail(web, 'CA away')
    delaysMs.push(await mesh.untilAsked(web))
  }
  expect(delaysMs).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000])
  await mesh.end()
})

test('SvidCache.demand() gets its answer within a second of the CA’s return, however long the delay had grown', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  for (let tries = 0; tries < 10; tries++) {
    await mesh.fail(web, 'CA away')
    await mesh.untilAsked(web)
  }
  await mesh.fail(web, 'CA away')
  await mesh.clock.advance(10)
  expect(mesh.pending(web)).toBe(false)
  const waiting = mesh.cache.demand(web, 'real-time')
  await mesh.clock.advance(990)
  await mesh.fail(web, 'still away')
  await mesh.clock.advance(1000)
  await mesh.answer(web)
  expect((await waiting).id).toBe(web)
  await mesh.end()
})

test('SvidCache.demand() refuses at its deadline with the last failure', async () => {
  const mesh = setup()
  const refused = expect(mesh.cache.demand(web, 'real-time')).rejects.toMatchObject({
    code: 'IDENTITY_UNAVAILABLE',
    message: `No certificate for ${web}: not within 10000 ms; pod not on this node`,
  })
  for (let seconds = 0; seconds < 10; seconds++) {
    await mesh.fail(web, 'pod not on this node')
    await mesh.clock.advance(1000)
  }
  await refused
  await mesh.end()
})

test('SvidCache ends a request that the CA never answers, and asks again', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.clock.advance(10_000)
  expect(mesh.cache.state(web)).toEqual({ kind: 'unavailable', error: 'no answer within 10000 ms' })
  await mesh.clock.advance(1000)
  await mesh.answer(web)
  expect(mesh.cache.state(web)?.kind).toBe('available')
  await mesh.end()
})

test.each([
  {
    name: 'another identity',
    wrong: { id: id('api') },
    error: `the CA answered with a certificate for ${id('api')}`,
  },
  {
    name: 'an expired certificate',
    wrong: { notAfterMs: 0 },
    error: 'the CA answered with an expired certificate',
  },
])('SvidCache refuses $name', async ({ wrong, error }) => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.answer(web, wrong)
  expect(mesh.cache.state(web)).toEqual({ kind: 'unavailable', error })
  await mesh.end()
})

test('SvidCache does not ask in a tight loop for certificates that come half spent', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.clock.advance(0)
  await mesh.answer(web, { notBeforeMs: -100 * HOUR_MS, notAfterMs: HOUR_MS })
  await mesh.clock.advance(999)
  expect(mesh.asked).toHaveLength(1)
  await mesh.clock.advance(1)
  expect(mesh.asked).toHaveLength(2)
  await mesh.end()
})

test('SvidCache runs eight requests at once and lets connections go first', async () => {
  const mesh = setup()
  const ids = Array.from({ length: 12 }, (_, i) => id(`sa-${i}`))
  for (const one of ids) mesh.cache.prefetch(one)
  await mesh.clock.advance(0)
  expect(mesh.asked).toEqual(ids.slice(0, 8))
  const waiting = mesh.cache.demand(id('sa-11'), 'real-time') // was last in line
  await mesh.answer(id('sa-0'))
  expect(mesh.asked.at(-1)).toBe(id('sa-11'))
  await mesh.answer(id('sa-11'))
  expect((await waiting).id).toBe(id('sa-11'))
  await mesh.end()
})

test('SvidCache.forget() stops renewal, refuses who waits and drops it from the queue', async () => {
  const mesh = setup()
  const ids = Array.from({ length: 9 }, (_, i) => id(`sa-${i}`))
  for (const one of ids) mesh.cache.prefetch(one)
  const refused = expect(mesh.cache.demand(id('sa-8'), 'real-time')).rejects.toMatchObject({
    code: 'IDENTITY_UNAVAILABLE',
  })
  mesh.cache.forget(id('sa-8'))
  await refused
  mesh.cache.forget(id('sa-8'))
  for (const one of ids.slice(0, 8)) await mesh.answer(one)
  expect(mesh.asked).not.toContain(id('sa-8'))
  expect(mesh.changes.filter(({ state }) => state.kind === 'forgotten')).toHaveLength(1)
  expect(mesh.cache.entries()).toHaveLength(8)
  await mesh.end()
})

test('SvidCache.demand() asks at once when the clock has jumped past the end', async () => {
  const mesh = setup()
  mesh.cache.prefetch(web)
  await mesh.answer(web)
  mesh.clock.jump(48 * HOUR_MS)
  const waiting = mesh.cache.demand(web, 'real-time')
  await mesh.clock.advance(0)
  await mesh.answer(web)
  expect((await waiting).notBeforeMs).toBe(48 * HOUR_MS)
  await mesh.end()
})

test('SvidCache refuses more identities than its limit', async () => {
  const mesh = setup({ identities: 1 })
  mesh.cache.prefetch(web)
  mesh.cache.prefetch(id('api'))
  await expect(mesh.cache.demand(id('api'), 'real-time')).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
  expect(mesh.cache.entries()).toHaveLength(1)
  await mesh.end()
})

function id(account: string): SpiffeId {
  return parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${account}`)
}

interface Request {
  readonly resolve: (svid: Svid) => void
  readonly reject: (error: Error) => void
}

function setup(limits: SvidCacheDeps['limits'] = {}) {
  const clock = new ManualClock()
  const asked: SpiffeId[] = []
  const requests = new Map<SpiffeId, Request>()
  const changes: SvidChange[] = []
  const fetch = (wanted: SpiffeId, signal: AbortSignal): Promise<Svid> =>
    new Promise((resolve, reject) => {
      asked.push(wanted)
      requests.set(wanted, { resolve, reject })
      signal.addEventListener('abort', () => {
        requests.delete(wanted)
        reject(signal.reason)
      })
    })
  const log = { warn: () => {} }
  const cache = new SvidCache({ fetch, clock, random: { float: () => 0.5 }, log, limits })
  cache.onChange((change) => changes.push(change))
  const take = async (wanted: SpiffeId): Promise<Request> => {
    await settle()
    const request = requests.get(wanted)
    if (request === undefined) throw new Error(`nobody asks for ${wanted}`)
    requests.delete(wanted)
    return request
  }
  return {
    cache,
    clock,
    asked,
    changes,
    /** @returns the milliseconds that had to pass. */
    untilAsked: async (wanted: SpiffeId) => {
      const fromMs = clock.nowMs()
      while (!requests.has(wanted)) await clock.advance(clock.nextMs())
      return clock.nowMs() - fromMs
    },
    pending: (wanted: SpiffeId) => requests.has(wanted),
    answer: async (wanted: SpiffeId, over: Partial<Svid> = {}) => {
      const notBeforeMs = clock.nowMs()
      const pem = { certificateChainPem: '', privateKeyPem: '', trustBundlePem: '' }
      const { resolve } = await take(wanted)
      resolve({ id: wanted, ...pem, notBeforeMs, notAfterMs: notBeforeMs + 24 * HOUR_MS, ...over })
      await settle()
    },
    fail: async (wanted: SpiffeId, message: string) => {
      const { reject } = await take(wanted)
      reject(new Error(message))
      await settle()
    },
    end: async () => {
      await cache[Symbol.asyncDispose]()
      await settle()
      expect(clock.sleepers).toBe(0)
      expect(requests.size).toBe(0)
    },
  }
}

/** Lets every promise that can go on do so. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Time that stands still until it is moved. */
class ManualClock implements Clock {
  #nowMs = 0
  readonly #sleeping = new Set<{ readonly dueMs: number; readonly wake: () => void }>()

  get sleepers(): number {
    return this.#sleeping.size
  }

  /** Until the next sleeper is due. */
  nextMs(): number {
    if (this.#sleeping.size === 0) throw new Error('nobody sleeps')
    return Math.min(...[...this.#sleeping].map(({ dueMs }) => dueMs)) - this.#nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const sleeper = { dueMs: this.#nowMs + ms, wake: resolve }
      this.#sleeping.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleeping.delete(sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Moves on, waking who is due in the order in which they are. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const next = [...this.#sleeping]
        .filter(({ dueMs }) => dueMs <= untilMs)
        .toSorted((a, b) => a.dueMs - b.dueMs)[0]
      if (next === undefined) break
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      this.#sleeping.delete(next)
      next.wake()
      await settle()
    }
    this.#nowMs = untilMs
    await settle()
  }

  /** The host's clock is set: nobody wakes. */
  jump(ms: number): void {
    this.#nowMs += ms
  }
}
