import { describe, expect, test } from 'vitest'
import { buildForwarded, crossedNetworks, parseForwarded } from './forwarded.ts'

describe('buildForwarded()', () => {
  test('names the client, and the service when there is one', () => {
    expect(buildForwarded({ ip: '10.0.0.1', port: 4711 })).toBe('for="10.0.0.1:4711"')
    expect(buildForwarded({ ip: 'fd00::1', port: 4711 }, 'web.shop.svc.cluster.local')).toBe(
      'for="[fd00::1]:4711";host=web.shop.svc.cluster.local',
    )
  })
})

describe('parseForwarded()', () => {
  test.each([
    { text: 'for="10.0.0.1:1";host=web.shop', expected: { client: '10.0.0.1:1', host: 'web.shop' } },
    { text: 'for=10.0.0.1:1', expected: { client: '10.0.0.1:1' } },
    { text: 'host="web" ; host=other', expected: { host: 'web' } },
    { text: 'Host=web', expected: {} },
    { text: 'host=', expected: {} },
    { text: 'host=wéb', expected: {} },
    { text: '', expected: {} },
  ])('reads "$text"', ({ text, expected }) => {
    expect(parseForwarded(text)).toEqual(expected)
  })
})

describe('crossedNetworks()', () => {
  test.each([
    { name: 'no field', fields: [], expected: false },
    {
      name: 'our own network in other letters',
      fields: [{ name: 'x-forwarded-network', value: 'NET-1' }],
      expected: false,
    },
    { name: 'another network', fields: [{ name: 'x-forwarded-network', value: 'net-2' }], expected: true },
  ])('says $expected for $name', ({ fields, expected }) => {
    expect(crossedNetworks(fields, 'net-1')).toBe(expected)
  })
})
