import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AddressPool, parsePrefix } from './address-pool.ts'
import type { AddressClaim, HostAddress } from '../translate/entries/address-claims.ts'
import { type AddressPlan, planAddresses } from './plan-addresses.ts'

const NOTHING = { ipv4: undefined, ipv6: undefined }
const ranges = { ipv4: { ip: '240.240.0.0', length: 29 }, ipv6: { ip: '2001:2::', length: 48 } }

function claim(name: string, more: Partial<AddressClaim> = {}): AddressClaim {
  return {
    ref: { kind: 'ServiceEntry', namespace: 'shop', name },
    resourceVersion: '1',
    createdAt: '2026-01-01T00:00:00Z',
    given: [],
    wanted: [`${name}.example`],
    allocated: [],
    ...more,
  }
}

function has(host: string, ...ips: readonly string[]): readonly HostAddress[] {
  return ips.map((ip) => ({ host, ip }))
}

function told({ writes }: AddressPlan): readonly string[] {
  return writes.map(
    ({ claim: { ref }, addresses }) =>
      `${ref.name}: ${addresses.map(({ host, ip }) => `${host}=${ip}`).join(' ')}`,
  )
}

const OLD = { createdAt: '2025-01-01T00:00:00Z' }

test.each<{ name: string; claims: readonly AddressClaim[]; expected: readonly string[] }>([
  {
    name: 'gives each host one address of each family, never the network’s own',
    claims: [claim('a', { wanted: ['a.example', 'b.example'] })],
    expected: ['a: a.example=240.240.0.1 a.example=2001:2::1 b.example=240.240.0.2 b.example=2001:2::2'],
  },
  {
    name: 'plans nothing for what has been carried out',
    claims: [claim('a', { allocated: has('a.example', '240.240.0.1', '2001:2::1') })],
    expected: [],
  },
  {
    name: 'begins after the highest in use',
    claims: [claim('a', { allocated: has('a.example', '240.240.0.4', '2001:2::7') }), claim('b')],
    expected: ['b: b.example=240.240.0.5 b.example=2001:2::8'],
  },
  {
    name: 'gives the family that is missing and keeps the other',
    claims: [claim('a', { allocated: has('a.example', '2001:2::7') })],
    expected: ['a: a.example=2001:2::7 a.example=240.240.0.1'],
  },
  {
    name: 'takes away what is no longer wanted, hosts that are gone included',
    claims: [
      claim('a', { wanted: [], allocated: has('a.example', '240.240.0.1') }),
      claim('b', {
        allocated: [...has('gone.example', '240.240.0.2'), ...has('b.example', '240.240.0.3', '2001:2::3')],
      }),
    ],
    expected: ['a: ', 'b: b.example=240.240.0.3 b.example=2001:2::3'],
  },
  {
    name: 'leaves an address to the user who gave it, and the range around it',
    claims: [
      claim('a', { ...OLD, allocated: has('a.example', '240.240.0.1', '2001:2::1') }),
      claim('user', {
        wanted: [],
        given: [
          { ip: '240.240.0.1', length: 32 },
          { ip: '2001:2::', length: 112 },
        ],
      }),
    ],
    expected: ['a: a.example=240.240.0.2 a.example=2001:2::1:0'],
  },
  {
    name: 'leaves an address that two have to the older one',
    claims: [
      claim('young', { allocated: has('young.example', '240.240.0.1', '2001:2::9') }),
      claim('old', { ...OLD, allocated: has('old.example', '240.240.0.1', '2001:2::1') }),
    ],
    expected: ['young: young.example=2001:2::9 young.example=240.240.0.2'],
  },
  {
    name: 'leaves an address that two hosts of one entry have to the first',
    claims: [
      claim('a', {
        wanted: ['a.example', 'b.example'],
        allocated: [
          ...has('a.example', '240.240.0.1', '2001:2::1'),
          ...has('b.example', '240.240.0.1', '2001:2::2'),
        ],
      }),
    ],
    expected: ['a: a.example=240.240.0.1 a.example=2001:2::1 b.example=2001:2::2 b.example=240.240.0.2'],
  },
  {
    name: 'touches no entry that is not ours, and does not give its addresses to others',
    claims: [
      claim('foreign', { wanted: undefined, allocated: has('x.example', '240.240.0.1') }),
      claim('a', { ...OLD, allocated: has('a.example', '240.240.0.1', '2001:2::1') }),
    ],
    expected: ['a: a.example=2001:2::1 a.example=240.240.0.2'],
  },
  {
    name: 'keeps an address of another range, as after the range was changed',
    claims: [claim('a', { allocated: has('a.example', '10.9.9.9', '2001:2::1') })],
    expected: [],
  },
])('planAddresses() $name', ({ claims, expected }) =>
  expect(told(planAddresses(claims, ranges, NOTHING))).toEqual(expected),
)

test('planAddresses() goes round before it gives out again what has become free', () => {
  const first = planAddresses([claim('a')], ranges, { ipv4: '240.240.0.6', ipv6: undefined })
  expect(told(first)).toEqual(['a: a.example=240.240.0.7 a.example=2001:2::1'])
  const second = planAddresses([claim('b')], ranges, first.cursors) // "a" is gone
  expect(told(second)).toEqual(['b: b.example=240.240.0.1 b.example=2001:2::2'])
})

test('planAddresses() says which hosts a range had nothing left for, and gives the other family', () => {
  const claims = Array.from({ length: 8 }, (_, n) => claim(`e${n}`))
  const plan = planAddresses(claims, ranges, NOTHING)
  expect(plan.exhausted.map(({ host, family }) => `${host} ${family}`)).toEqual(['e7.example ipv4'])
  expect(plan.writes.at(-1)?.addresses).toEqual(has('e7.example', '2001:2::8'))
})

test('planAddresses() gives no address twice, and is done after one plan (property)', () => {
  const host = fc.constantFrom('a', 'b', 'c')
  const ip = fc.nat(9).map((n) => (n < 7 ? `240.240.0.${n + 1}` : `2001:2::${n}`))
  const claims = fc
    .array(
      fc.record({
        wanted: fc.option(fc.uniqueArray(host), { nil: undefined }),
        allocated: fc.array(fc.record({ host, ip }), { maxLength: 4 }),
        given: fc.array(
          fc.record({ ip: fc.constantFrom('240.240.0.2', '240.240.0.4'), length: fc.constantFrom(31, 32) }),
          { maxLength: 1 },
        ),
        createdAt: fc.constantFrom('2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
      }),
      { maxLength: 5 },
    )
    .map((list) => list.map((each, n) => claim(`e${n}`, each)))
  fc.assert(
    fc.property(claims, (before) => {
      const plan = planAddresses(before, ranges, NOTHING)
      const after = before.map((each) => {
        const write = plan.writes.find(({ claim: written }) => written === each)
        return write === undefined ? each : { ...each, allocated: write.addresses }
      })
      const ours = after.flatMap((each) =>
        each.wanted === undefined ? [] : each.allocated.map((one) => one.ip),
      )
      expect(new Set(ours).size).toBe(ours.length)
      const next = planAddresses(after, ranges, plan.cursors)
      // What a range had nothing left for may have become free by the plan itself.
      if (plan.exhausted.length === 0) expect(told(next)).toEqual([])
    }),
    { numRuns: 300 },
  )
})

test.each([
  ['10.0.0.0/30', '10.0.0.1 10.0.0.2 10.0.0.3 none'],
  ['10.0.0.7/30', '10.0.0.5 10.0.0.6 10.0.0.7 none'],
  ['2001:2::/126', '2001:2::1 2001:2::2 2001:2::3 none'],
  ['10.0.0.0/32', 'none'],
])('AddressPool takes of %s: %s', (text, expected) => {
  const prefix = parsePrefix(text) ?? expect.fail('a prefix')
  const pool = new AddressPool(prefix, { single: new Set(), ranges: [] }, undefined)
  const taken = Array.from({ length: expected.split(' ').length }, () => pool.take() ?? 'none')
  expect(taken.join(' ')).toBe(expected)
})

test.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', 'x/8', '10.0.0.0/8/8', '::/129'])(
  'parsePrefix() takes "%s" for no range',
  (text) => expect(parsePrefix(text)).toBeUndefined(),
)
