import { expect, test } from 'vitest'
import { SingleFlight } from './single-flight.ts'

test('SingleFlight.run() joins callers of one key and starts anew afterwards', async () => {
  const flights = new SingleFlight<number>()
  let calls = 0
  const make = async (): Promise<number> => ++calls
  expect(await Promise.all([flights.run('a', make), flights.run('a', make), flights.run('b', make)])).toEqual(
    [1, 1, 2],
  )
  expect(flights.size).toBe(0)
  expect(await flights.run('a', make)).toBe(3)
})

test.each([
  { name: 'rejects', make: async (): Promise<number> => Promise.reject(new Error('no')) },
  {
    name: 'throws at once',
    make: (): Promise<number> => {
      throw new Error('no')
    },
  },
])('SingleFlight.run() forgets a call that $name', async ({ make }) => {
  const flights = new SingleFlight<number>()
  const both = [flights.run('a', make), flights.run('a', make)]
  for (const one of both) await expect(one).rejects.toThrow('no')
  expect(flights.size).toBe(0)
  expect(await flights.run('a', async () => 7)).toBe(7)
})
