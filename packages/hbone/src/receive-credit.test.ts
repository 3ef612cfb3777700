import { describe, expect, test } from 'vitest'
import { hboneLimits } from './limits.ts'
import { ReceiveCredit } from './receive-credit.ts'
import { StreamCredit } from './stream-credit.ts'

const limits = hboneLimits({ connectionWindow: 100_000, bufferedBeforeDebt: 50_000 })

function make(): { credit: ReceiveCredit; announced: number[] } {
  const announced: number[] = []
  return { credit: new ReceiveCredit(limits, (increment) => void announced.push(increment)), announced }
}

describe('ReceiveCredit', () => {
  test('take() refuses what was not allowed', () => {
    const { credit } = make()
    expect(credit.take(100_000)).toBe(true)
    expect(credit.take(1)).toBe(false)
  })

  test('give() announces a quarter of the window at a time', () => {
    const { credit, announced } = make()
    credit.take(60_000)
    credit.give(24_999)
    expect(announced).toEqual([])
    credit.give(1)
    credit.give(35_000)
    expect(announced).toEqual([25_000, 35_000])
    expect(credit.outstandingBytes).toBe(0)
  })

  test('keep() gives credit at once until too much is kept, then only as it is released', () => {
    const { credit, announced } = make()
    credit.take(50_000)
    credit.keep(50_000)
    expect(announced).toEqual([50_000])
    credit.take(40_000)
    credit.keep(40_000)
    expect([credit.keptBytes, credit.outstandingBytes]).toEqual([90_000, 40_000])
    credit.release(30_000)
    expect(announced).toEqual([50_000, 30_000])
    credit.release(60_000)
    expect([credit.keptBytes, credit.outstandingBytes]).toEqual([0, 0])
  })
})

describe('StreamCredit', () => {
  test('consume() doubles the window of an app that keeps up, to the limit', () => {
    const credit = new StreamCredit(1000)
    expect(credit.consume(499, 4000)).toBe(0)
    expect(credit.consume(1, 4000)).toBe(500 + 1000)
    expect(credit.consume(1000, 4000)).toBe(1000 + 2000)
    expect(credit.consume(2000, 4000)).toBe(2000)
  })

  test('consume() keeps the window of an app that lags', () => {
    expect(new StreamCredit(1000).consume(500, 0)).toBe(500)
  })

  test('take() refuses what was not allowed', () => {
    const credit = new StreamCredit(1000)
    expect(credit.take(1000)).toBe(true)
    expect(credit.take(1)).toBe(false)
  })
})
