import { Arena, closeDescriptor, sys, streamPair } from '@ambient/linux'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { OwedBytes } from './owed-bytes.ts'

const [ours, theirs] = streamPair()
const scratch = new Arena(1 << 20)
afterAll(() => {
  closeDescriptor(ours)
  closeDescriptor(theirs)
})

function receiveAll(): number[] {
  const got = sys.read(theirs, scratch.base, scratch.bytes.length)
  return got > 0 ? [...scratch.bytes.subarray(0, got)] : []
}

describe('OwedBytes', () => {
  test('writeTo() gives back what was appended, in order, whatever the pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 12 }), (pieces) => {
        const owed = new OwedBytes()
        for (const piece of pieces) owed.append(piece, 0, piece.length)
        const all = pieces.flatMap((piece) => [...piece])
        expect(owed.length).toBe(all.length)
        const received: number[] = []
        while (owed.length > 0) {
          expect(owed.writeTo(ours)).toBeGreaterThan(0)
          received.push(...receiveAll())
        }
        expect(received).toEqual(all)
      }),
      { numRuns: 50 },
    )
  })

  test('append() of single bytes costs no more than a chunk besides them', () => {
    const owed = new OwedBytes()
    const byte = Uint8Array.of(1)
    for (let i = 0; i < 200_000; i++) owed.append(byte, 0, 1)
    expect(owed.length).toBe(200_000)
    expect(owed.capacity).toBeLessThanOrEqual(200_000 + 65_536 + 4096)
  })

  test('prepend() goes before everything', () => {
    const owed = new OwedBytes()
    owed.append(Uint8Array.of(2, 3), 0, 2)
    owed.prepend(Uint8Array.of(1))
    while (owed.length > 0) owed.writeTo(ours)
    expect(receiveAll()).toEqual([1, 2, 3])
  })

  test('clear() says how much was dropped', () => {
    const owed = new OwedBytes()
    owed.append(new Uint8Array(5000), 0, 5000)
    expect([owed.clear(), owed.length, owed.capacity]).toEqual([5000, 0, 0])
  })
})
