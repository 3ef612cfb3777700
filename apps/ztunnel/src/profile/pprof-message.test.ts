import { expect, test } from 'vitest'
import { encodePprof } from './pprof-message.ts'
import { heapStacks, ThreadProfiler, timeStacks } from './thread-profiler.ts'

type Fields = Readonly<Record<number, readonly (bigint | Buffer)[]>>

/** Fields of a message, by number: the wire format alone. */
function fieldsOf(bytes: Buffer): Fields {
  const fields: Record<number, (bigint | Buffer)[]> = {}
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const value = varint()
    const isLong = (key & 7) === 2
    expect(key & 5, 'only wire types 0 and 2').toBe(0)
    ;(fields[key >> 3] ??= []).push(isLong ? bytes.subarray(at, at + Number(value)) : value)
    if (isLong) at += Number(value)
  }
  return fields
}

const nested = (field: readonly (bigint | Buffer)[] | undefined): readonly Fields[] =>
  (field ?? []).map((each) => fieldsOf(each as Buffer))

const outer = { name: 'serve', file: 'serve.ts', line: 3 }
const inner = { name: 'decode', file: 'decode.ts', line: 70_000 }

test('encodePprof() writes stacks innermost first, each name and place once', () => {
  const profile = fieldsOf(
    Buffer.from(
      encodePprof({
        sampleTypes: [
          ['samples', 'count'],
          ['wall', 'nanoseconds'],
        ],
        period: 10_000_000,
        durationNs: 5e9,
        timeMs: 1_700_000_000_000,
        threads: [
          { thread: 'control', stacks: [{ frames: [outer], values: [1, 10_000_000] }] },
          {
            thread: 'ztunnel-0',
            stacks: [{ frames: [inner, outer], values: [300, 3_000_000_000] }],
          },
        ],
      }),
    ),
  )
  const texts = profile[6]?.map(String) ?? []
  const text = (index: bigint | Buffer | undefined): string | undefined => texts[Number(index)]
  expect(texts[0]).toBe('')
  expect(new Set(texts).size).toBe(texts.length)
  expect(nested(profile[1]).map((type) => [text(type[1]?.[0]), text(type[2]?.[0])])).toEqual([
    ['samples', 'count'],
    ['wall', 'nanoseconds'],
  ])
  expect([profile[9], profile[10], profile[12]]).toEqual([
    [1_700_000_000_000_000_000n],
    [5_000_000_000n],
    [10_000_000n],
  ])
  const functions = nested(profile[5]).map((each) => [each[1]?.[0], text(each[2]?.[0]), text(each[4]?.[0])])
  expect(functions).toEqual([
    [1n, 'serve', 'serve.ts'],
    [2n, 'decode', 'decode.ts'],
  ])
  const places = nested(profile[4]).map((each) => [each[1]?.[0], nested(each[4])[0]])
  expect(places).toEqual([
    [1n, { 1: [1n], 2: [3n] }],
    [2n, { 1: [2n], 2: [70_000n] }],
  ])
  const [, second] = nested(profile[2])
  expect(second?.[1]).toEqual([Buffer.from([2, 1])])
  // 300, then 3,000,000,000, both as varints.
  expect(second?.[2]).toEqual([Buffer.from([0xac, 2, 0x80, 0xbc, 0xc1, 0x96, 0x0b])])
  const [label] = nested(second?.[3])
  expect([text(label?.[1]?.[0]), text(label?.[2]?.[0])]).toEqual(['thread', 'ztunnel-0'])
})

function spin(untilMs: number): number {
  let sum = 0
  while (performance.now() < untilMs) for (let i = 0; i < 1000; i++) sum += Math.sqrt(i)
  return sum
}

test('ThreadProfiler says where its thread was', () => {
  const profiler = new ThreadProfiler()
  expect(profiler.do({ kind: 'start-time', intervalUs: 1000 })).toEqual([])
  spin(performance.now() + 100)
  const stacks = profiler.do({ kind: 'stop-time' })
  const spun = stacks.filter(({ frames }) => frames.some(({ name }) => name === 'spin'))
  expect(spun.length).toBeGreaterThan(0)
  for (const { frames, values } of spun) {
    expect(frames.find(({ name }) => name === 'spin')?.file).toMatch(/pprof-message\.test\.ts$/)
    expect(values[1]).toBe((values[0] ?? 0) * 1_000_000)
  }
})

test('ThreadProfiler says where what is in use was allocated', () => {
  const profiler = new ThreadProfiler()
  profiler.do({ kind: 'start-heap' })
  const kept = hoard()
  const stacks = profiler.do({ kind: 'heap' })
  profiler.do({ kind: 'stop-heap' })
  const bytes = stacks
    .filter(({ frames }) => frames.some(({ name }) => name === 'hoard'))
    .reduce((sum, { values }) => sum + (values[0] ?? 0), 0)
  expect(kept.length).toBe(200_000)
  expect(bytes).toBeGreaterThan(1_000_000)
})

function hoard(): readonly object[] {
  return Array.from({ length: 200_000 }, (_, i) => ({ i, text: String(i) }))
}

test('a thread that has no profile has no stacks', () => {
  expect([timeStacks(undefined, 1000), heapStacks(undefined)]).toEqual([[], []])
})
