import { expect, test } from 'vitest'
import { AddressWaits, whenKnown } from './address-waits.ts'

function open() {
  const requested: string[] = []
  const timers = new Set<() => void>()
  const waits = new AddressWaits({
    request: (names) => void requested.push(...names),
    after: (_delayMs, fire) => {
      timers.add(fire)
      return { cancel: () => void timers.delete(fire) }
    },
    waitMs: 5000,
  })
  const told: string[] = []
  return { waits, requested, timers, told }
}

test('AddressWaits asks once, however many wait, and tells all of them', () => {
  const { waits, requested, timers, told } = open()
  for (const who of ['a', 'b']) waits.wait(['x'], (isAnswered) => void told.push(`${who}:${isAnswered}`))
  expect([requested, told]).toEqual([['x'], []])
  waits.answered(['x'])
  expect([told, timers.size]).toEqual([['a:true', 'b:true'], 0])
  expect(waits.unanswered(['x', 'y'])).toEqual(['y'])
})

test('AddressWaits tells who waits for several names when the last has come', () => {
  const { waits, told } = open()
  waits.wait(['x', 'y'], () => void told.push('both'))
  waits.answered(['y'])
  expect(told).toEqual([])
  waits.answered(['x'])
  expect(told).toEqual(['both'])
})

test('AddressWaits gives up in time, and asks again for the next', () => {
  const { waits, requested, timers, told } = open()
  waits.wait(['x'], (isAnswered) => void told.push(String(isAnswered)))
  for (const fire of timers) fire()
  expect([told, timers.size]).toEqual([['false'], 0])
  waits.wait(['x'], () => {})
  expect(requested).toEqual(['x', 'x'])
})

test('AddressWaits lets go of who leaves', () => {
  const { waits, timers, told } = open()
  waits.wait(['x'], () => void told.push('left')).cancel()
  waits.answered(['x'])
  expect([told, timers.size]).toEqual([[], 0])
})

test('AddressWaits asks again for what was dropped', () => {
  const { waits } = open()
  waits.answered(['x'])
  waits.dropped(['x'])
  expect(waits.unanswered(['x'])).toEqual(['x'])
})

test('whenKnown() goes on asking for what the answers name', () => {
  const { waits, requested, told } = open()
  const chain = ['service', 'waypoint', 'gateway']
  whenKnown(
    waits,
    () => chain.filter((name) => waits.unanswered([name]).length > 0).slice(0, 1),
    (isKnown) => void told.push(String(isKnown)),
  )
  for (const name of chain) waits.answered([name])
  expect([requested, told]).toEqual([chain, ['true']])
})

test('whenKnown() does not follow a chain for ever, and passes on that there was no answer', () => {
  const { waits, requested, timers, told } = open()
  let next = 0
  whenKnown(
    waits,
    () => [`n${next++}`],
    (isKnown) => void told.push(String(isKnown)),
  )
  for (let i = 0; i < 9; i++) waits.answered([`n${i}`])
  expect([requested.length, told]).toEqual([4, ['true']])
  whenKnown(
    waits,
    () => ['other'],
    (isKnown) => void told.push(String(isKnown)),
  )
  for (const fire of timers) fire()
  expect(told).toEqual(['true', 'false'])
})
