import { expect, test } from 'vitest'
import { defineLimits, limitValues } from './limits.ts'
import { illegalPorts, ports } from './ports.ts'
import { TelemetryError } from './telemetry-error.ts'

test('limitValues() gives the numbers of a table by name', () => {
  const limits = defineLimits({ queueItems: { value: 5, unit: 'items', whenHit: 'dropped and counted' } })
  expect(limitValues(limits)).toEqual({ queueItems: 5 })
})

test.each([
  { name: 'no number', limit: { value: Number.NaN, unit: 'items', whenHit: 'x' } },
  { name: 'nothing', limit: { value: 0, unit: 'items', whenHit: 'x' } },
  { name: 'no end', limit: { value: Number.POSITIVE_INFINITY, unit: 'items', whenHit: 'x' } },
  { name: 'no consequence', limit: { value: 1, unit: 'items', whenHit: '' } },
] as const)('defineLimits() refuses a limit of $name', ({ limit }) =>
  expect(() => defineLimits({ limit })).toThrow(TelemetryError),
)

test('ports of one component are used once', () => {
  const seen = Object.values(ports).map(({ component, protocol, port }) => `${component} ${protocol} ${port}`)
  expect(new Set(seen).size).toBe(seen.length)
})

test('illegalPorts() are the listeners that a pod gets', () => {
  expect([...illegalPorts({ socks5: false })]).toEqual([15001, 15006, 15008])
  expect([...illegalPorts({ socks5: true })]).toEqual([15001, 15006, 15008, 15080])
})
