import { expect, test } from 'vitest'
import { drawAddress, HostAddresses } from './host-addresses.ts'

function open() {
  const requested: string[] = []
  const timers = new Set<() => void>()
  const clock = { nowMs: 0 }
  const hosts = new HostAddresses({
    request: (hostname) => void requested.push(hostname),
    after: (_delayMs, fire) => {
      timers.add(fire)
      return { cancel: () => void timers.delete(fire) }
    },
    clock,
    limits: { hostWaitMs: 10_000, hostsKept: 2 },
  })
  const told: string[] = []
  const wait = (hostname: string) =>
    hosts.wait(hostname, (answer) => {
      told.push(answer.kind === 'resolved' ? answer.addresses.join() : answer.detail)
    })
  return { hosts, wait, requested, timers, clock, told }
}

test('HostAddresses asks once, however many wait, and keeps the answer for as long as it is good', () => {
  const { hosts, wait, requested, timers, clock, told } = open()
  wait('a')
  wait('a')
  hosts.resolved('a', ['10.0.0.1'], 1000)
  expect([requested, told, timers.size]).toEqual([['a'], ['10.0.0.1', '10.0.0.1'], 0])
  expect(hosts.get('a')).toEqual(['10.0.0.1'])
  clock.nowMs = 1000
  expect(hosts.get('a')).toBeUndefined()
})

test('HostAddresses tells of a failure, and of no answer, and keeps neither', () => {
  const { hosts, wait, requested, timers, told } = open()
  wait('a')
  hosts.failed('a', 'NXDOMAIN')
  wait('a')
  for (const fire of timers) fire()
  expect(told).toEqual(['NXDOMAIN', 'a was not resolved within 10000 ms'])
  wait('a').cancel()
  hosts.resolved('a', ['10.0.0.1'], 1000)
  expect([requested, told.length, timers.size]).toEqual([['a', 'a', 'a'], 2, 0])
})

test('HostAddresses keeps so many and no more', () => {
  const { hosts } = open()
  for (const hostname of ['a', 'b', 'c']) hosts.resolved(hostname, ['10.0.0.1'], 1000)
  expect(['a', 'b', 'c'].filter((hostname) => hosts.get(hostname) !== undefined)).toEqual(['b', 'c'])
})

test.each([
  { addresses: ['10.0.0.1', 'fd00::1'], requestedIp: '10.96.0.1', at: 0.9, expected: '10.0.0.1' },
  { addresses: ['10.0.0.1', 'fd00::1'], requestedIp: 'fd00:96::1', at: 0, expected: 'fd00::1' },
  { addresses: ['fd00::1', 'fd00::2'], requestedIp: '10.96.0.1', at: 0.9, expected: 'fd00::2' },
  { addresses: ['10.0.0.1', '10.0.0.2'], requestedIp: '10.96.0.1', at: 0.4, expected: '10.0.0.1' },
])(
  'drawAddress() of $addresses for $requestedIp gives $expected',
  ({ addresses, requestedIp, at, expected }) =>
    expect(drawAddress(addresses, requestedIp, { float: () => at })).toBe(expected),
)
