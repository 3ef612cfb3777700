import {
  addMarkedRouting,
  findMarkedRouting,
  legacyTables,
  type MarkedRouting,
  NetworkNamespace,
  nftTables,
  removeMarkedRouting,
} from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeNamespace, type TestNamespace } from './test-namespace.ts'

const none = { rule: false, route: false }
const both = { rule: true, route: true }

describe.skipIf(!requireRoot())('routes and tables of a namespace', () => {
  let there: TestNamespace
  let netns: NetworkNamespace

  beforeEach(() => {
    there = makeNamespace('mr')
    netns = NetworkNamespace.open(there.path)
  })
  afterEach(() => {
    netns[Symbol.dispose]()
    there.delete()
  })

  test.each([
    { family: 'ipv4', flag: '-4', everywhere: '0.0.0.0/0' },
    { family: 'ipv6', flag: '-6', everywhere: '::/0' },
  ] as const)(
    'addMarkedRouting() does what ip does, and each removes what the other made: $family',
    ({ family, flag, everywhere }) => {
      const routing: MarkedRouting = { family, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 }
      const find = (): typeof none => netns.enter(() => findMarkedRouting(routing))
      const all = (): string =>
        there.run('ip', flag, 'rule') + there.run('ip', flag, 'route', 'show', 'table', 'all')
      const rule = ['pref', '32764', 'fwmark', '0x111/0xfff', 'lookup', '100']
      const route = ['local', everywhere, 'dev', 'lo', 'scope', 'host', 'table', '100']
      const before = all()
      const open = openDescriptors()
      expect(find()).toEqual(none)

      there.run('ip', flag, 'route', 'add', ...route)
      expect(find()).toEqual({ rule: false, route: true })
      there.run('ip', flag, 'rule', 'add', ...rule)
      expect(find()).toEqual(both)
      const byIp = all()
      netns.enter(() => removeMarkedRouting(routing, both))
      expect(all()).toBe(before)

      netns.enter(() => addMarkedRouting(routing, none))
      expect(all()).toBe(byIp)
      netns.enter(() => addMarkedRouting(routing, none)) // somebody else was faster
      expect(all()).toBe(byIp)
      there.run('ip', flag, 'rule', 'del', ...rule)
      there.run('ip', flag, 'route', 'del', ...route)
      expect(all()).toBe(before)
      netns.enter(() => removeMarkedRouting(routing, both)) // here as well
      expect(all()).toBe(before)
      expect(leakedDescriptors(open)).toEqual([])
    },
  )

  test.each([
    { what: 'another mark', rule: ['pref', '32764', 'fwmark', '0x112/0xfff', 'lookup', '100'] },
    { what: 'another mask', rule: ['pref', '32764', 'fwmark', '0x111/0xff', 'lookup', '100'] },
    { what: 'another table', rule: ['pref', '32764', 'fwmark', '0x111/0xfff', 'lookup', '101'] },
    { what: 'another place', rule: ['pref', '32763', 'fwmark', '0x111/0xfff', 'lookup', '100'] },
  ])(
    'findMarkedRouting() does not take a rule with $what, or a route of another kind, for its own',
    ({ rule }) => {
      there.run('ip', 'rule', 'add', ...rule)
      there.run('ip', 'route', 'add', 'local', '10.0.0.0/8', 'dev', 'lo', 'table', '100')
      there.run('ip', 'route', 'add', 'unreachable', '0.0.0.0/0', 'metric', '7', 'table', '100')
      const routing: MarkedRouting = {
        family: 'ipv4',
        priority: 32_764,
        mark: 0x111,
        mask: 0xfff,
        table: 100,
      }
      expect(netns.enter(() => findMarkedRouting(routing))).toEqual(none)
    },
  )

  test('findMarkedRouting() reads listings that come in many pieces', () => {
    const rules = Array.from(
      { length: 1500 },
      (_, n) => `rule add pref ${n + 1} fwmark ${n + 1} lookup 100\n`,
    )
    there.feed(rules.join(''), 'ip', '-batch', '-')
    const routing: MarkedRouting = {
      family: 'ipv4',
      priority: 1500,
      mark: 1500,
      mask: 0xffff_ffff,
      table: 100,
    }
    expect(netns.enter(() => findMarkedRouting(routing))).toEqual({ rule: true, route: false })
  })

  test('nftTables() and legacyTables() name the tables of every program', () => {
    expect(netns.enter(nftTables)).toEqual([])
    expect(netns.enter(() => legacyTables('ipv4'))).toEqual([])
    there.run('nft', 'add', 'table', 'inet', 'mine')
    there.run('iptables-nft', '-t', 'nat', '-A', 'OUTPUT', '-j', 'ACCEPT')
    there.run('ip6tables-nft', '-A', 'OUTPUT', '-j', 'ACCEPT')
    there.run('ip6tables-legacy', '-t', 'mangle', '-A', 'OUTPUT', '-j', 'ACCEPT')
    expect(netns.enter(nftTables)).toEqual([
      { family: 'inet', name: 'mine' },
      { family: 'ipv4', name: 'nat' },
      { family: 'ipv6', name: 'filter' },
    ])
    expect(netns.enter(() => legacyTables('ipv4'))).toEqual([])
    expect(netns.enter(() => legacyTables('ipv6'))).toEqual(['mangle'])
  })
})
