import { mkdtempSync, rmSync } from 'node:fs'
import { getEventListeners, once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FileResources } from './file-resources.ts'
import type { LeaseAnswer, ResourceWriter } from './resource-source.ts'
import { runAsLeader } from './run-as-leader.ts'

const TIMES = { leaseMs: 10_000, giveUpMs: 5_000, retryMs: 5 }

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'kube-leader-'))))
afterEach(() => rmSync(directory, { recursive: true }))

/** Waits until `check` passes, longer than it ever takes on a busy machine. */
function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

interface Candidate extends AsyncDisposable {
  readonly terms: number
  readonly isLeading: boolean
  readonly running: Promise<void>
  readonly ended: AbortController
}

/** Leads until it is told to stop; `held` counts who leads at this moment. */
function candidate(
  holder: string,
  writer: Pick<ResourceWriter, 'lease'>,
  more: { times?: typeof TIMES; failures?: unknown[]; lead?: (signal: AbortSignal) => Promise<void> } = {},
): Candidate {
  const ended = new AbortController()
  const seen = { terms: 0, isLeading: false }
  const running = runAsLeader(
    {
      writer,
      clock: systemClock,
      name: 'leader',
      holder,
      onChange: (isLeading) => {
        seen.isLeading = isLeading
        if (isLeading) seen.terms++
      },
      onFailure: (cause) => more.failures?.push(cause),
      times: more.times ?? TIMES,
    },
    more.lead ?? (async (signal) => void (signal.aborted || (await once(signal, 'abort')))),
    ended.signal,
  )
  return {
    get terms() {
      return seen.terms
    },
    get isLeading() {
      return seen.isLeading
    },
    running,
    ended,
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await running.catch(() => {})
    },
  }
}

test('runAsLeader() lets one lead at a time, and another as soon as it ends', async () => {
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  await using first = candidate('first', resources)
  await eventually(() => expect(first.isLeading).toBe(true))
  let attempts = 0
  await using second = candidate('second', {
    lease: (name, request) => {
      attempts++
      return resources.lease(name, request)
    },
  })
  await eventually(() => expect(attempts).toBeGreaterThan(3))
  expect([first.terms, second.terms]).toEqual([1, 0])
  first.ended.abort()
  await first.running
  expect(first.isLeading).toBe(false)
  await eventually(() => expect(second.isLeading).toBe(true))
  expect(getEventListeners(first.ended.signal, 'abort')).toEqual([])
})

test('runAsLeader() stops to lead when another has the lease, and leads again when it is free', async () => {
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  await using one = candidate('one', resources)
  await eventually(() => expect(one.isLeading).toBe(true))
  await resources.lease('leader', { holder: 'one', durationMs: 0 })
  expect((await resources.lease('leader', { holder: 'thief', durationMs: 10_000 })).kind).toBe('held')
  await eventually(() => expect(one.isLeading).toBe(false))
  await resources.lease('leader', { holder: 'thief', durationMs: 0 })
  await eventually(() => expect([one.isLeading, one.terms]).toEqual([true, 2]))
})

test.each([
  {
    name: 'fails',
    failures: [new Error('away')],
    lease: (): Promise<LeaseAnswer> => Promise.reject(new Error('away')),
  },
  {
    name: 'hangs',
    failures: [],
    lease: (): Promise<LeaseAnswer> => systemClock.sleep(200).then(() => ({ kind: 'held', expiresAtMs: 0 })),
  },
])('runAsLeader() stops to lead when renewing $name for too long', async ({ lease, failures: expected }) => {
  let isAway = false
  const failures: unknown[] = []
  const writer = {
    lease: (): Promise<LeaseAnswer> =>
      isAway ? lease() : Promise.resolve({ kind: 'held', expiresAtMs: 0 } as const),
  }
  let isOver = false
  await using one = candidate('one', writer, {
    times: { ...TIMES, giveUpMs: 50 },
    failures,
    lead: async (signal) => {
      await once(signal, 'abort')
      isOver = true
    },
  })
  await eventually(() => expect(one.isLeading).toBe(true))
  isAway = true
  await eventually(() => expect(isOver).toBe(true))
  expect(failures.slice(0, 1)).toEqual(expected)
})

test('runAsLeader() throws what its work throws, and gives the lease up', async () => {
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  await using one = candidate('one', resources, { lead: () => Promise.reject(new Error('broken')) })
  await expect(one.running).rejects.toThrow('broken')
  expect((await resources.lease('leader', { holder: 'two', durationMs: 1_000 })).kind).toBe('held')
})
