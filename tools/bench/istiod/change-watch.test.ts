import { encodeWireAddress } from '@ambient/xds-proto'
import { expect, test } from 'vitest'
import { ChangeWatch, percentile } from './change-watch.ts'

const UID = 'Kubernetes//Pod/team/app'

function push(revision: string): Parameters<ChangeWatch['seen']>[1] {
  const bytes = encodeWireAddress({ workload: { uid: UID, canonicalRevision: revision } })
  return { ...NOTHING, resources: [{ name: UID, version: revision, typeUrl: '', bytes, aliases: [] }] }
}

const NOTHING: Parameters<ChangeWatch['seen']>[1] = {
  typeUrl: '',
  nonce: '',
  systemVersion: '',
  resources: [],
  removed: [],
}
const GONE = { ...NOTHING, removed: [UID] }

test('a change counts once at each subscriber, and is over when all have it', () => {
  const watch = new ChangeWatch(2)
  watch.made(UID, 'v2')
  watch.seen(0, push('v1'), performance.now())
  watch.seen(0, push('v2'), performance.now())
  watch.seen(0, push('v2'), performance.now())
  expect([watch.latenciesMs.length, watch.isSeen(UID)]).toEqual([1, false])
  watch.seen(1, push('v2'), performance.now())
  expect([watch.latenciesMs.length, watch.isSeen(UID)]).toEqual([2, true])
})

test('a later change of the same workload, or its end, tells of those before it', () => {
  const watch = new ChangeWatch(1)
  watch.made(UID, 'v1')
  watch.made(UID, 'v2')
  watch.made(UID, undefined)
  watch.seen(0, push('v2'), performance.now())
  expect(watch.latenciesMs).toHaveLength(2)
  watch.seen(0, GONE, performance.now())
  expect([watch.latenciesMs.length, watch.settle()]).toEqual([3, 0])
})

test('a change that nobody is told of was merged; one that only some are told of is a defect', () => {
  const watch = new ChangeWatch(2)
  watch.made(UID, 'v1')
  expect(watch.settle()).toBe(1)
  watch.made(UID, 'v1')
  watch.seen(1, push('v1'), performance.now())
  expect(() => watch.settle()).toThrow('1 changes reached some subscribers and not all')
})

test.each([
  { share: 0.5, is: 50 },
  { share: 0.99, is: 99 },
  { share: 1, is: 100 },
])('the value that $share of 1 to 100 are not above is $is', ({ share, is }) => {
  expect(
    percentile(
      Array.from({ length: 100 }, (_, index) => 100 - index),
      share,
    ),
  ).toBe(is)
})
