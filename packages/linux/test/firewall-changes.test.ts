import { FirewallChanges, NetworkNamespace } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeNamespace, type TestNamespace } from './test-namespace.ts'

/** What is there before, so that each change below is only itself. */
const SET_UP = [
  ['nft', 'add', 'table', 'inet', 't'],
  ['nft', 'add', 'chain', 'inet', 't', 'c'],
  ['nft', 'add', 'rule', 'inet', 't', 'c', 'accept'],
  ['iptables-nft', '-A', 'OUTPUT', '-j', 'ACCEPT'],
  ['iptables-legacy', '-A', 'OUTPUT', '-j', 'ACCEPT'],
  ['ip6tables-legacy', '-A', 'OUTPUT', '-j', 'ACCEPT'],
  ['ip', 'rule', 'add', 'pref', '9', 'lookup', '100'],
  ['ip', '-6', 'rule', 'add', 'pref', '9', 'lookup', '100'],
  ['ip', 'route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', '100'],
  ['ip', '-6', 'route', 'add', 'local', '::/0', 'dev', 'lo', 'table', '100'],
]

describe.skipIf(!requireRoot())('changes of a firewall', () => {
  let ours: TestNamespace
  let other: TestNamespace
  let netns: NetworkNamespace

  beforeAll(() => {
    ours = makeNamespace('fw')
    other = makeNamespace('fx')
    for (const [program = '', ...args] of SET_UP) for (const each of [ours, other]) each.run(program, ...args)
    netns = NetworkNamespace.open(ours.path)
  })
  afterAll(() => {
    netns[Symbol.dispose]()
    ours.delete()
    other.delete()
  })

  test.each([
    { what: 'an nftables rule that is flushed', words: ['nft', 'flush', 'chain', 'inet', 't', 'c'] },
    { what: 'all nftables rules that go', words: ['nft', 'flush', 'ruleset'] },
    { what: 'an iptables rule that is added', words: ['iptables-nft', '-A', 'INPUT', '-j', 'ACCEPT'] },
    { what: 'a legacy rule that goes', words: ['iptables-legacy', '-F', 'OUTPUT'] },
    {
      what: 'a legacy table that comes',
      words: ['iptables-legacy', '-t', 'nat', '-A', 'OUTPUT', '-j', 'ACCEPT'],
    },
    { what: 'a legacy rule of IPv6 that goes', words: ['ip6tables-legacy', '-F'] },
    { what: 'a routing rule that goes', words: ['ip', 'rule', 'del', 'pref', '9'] },
    { what: 'a routing rule of IPv6 that goes', words: ['ip', '-6', 'rule', 'del', 'pref', '9'] },
    { what: 'a route that goes', words: ['ip', 'route', 'flush', 'table', '100'] },
    { what: 'a route of IPv6 that goes', words: ['ip', '-6', 'route', 'flush', 'table', '100'] },
  ])('FirewallChanges hears of $what, once, and not of looks or of another namespace', ({ words }) => {
    const [program = '', ...args] = words
    using changes = new FirewallChanges(netns)
    expect(changes.take()).toBe(false)
    other.run(program, ...args)
    for (const look of ['iptables-save', 'ip6tables-save', 'iptables-legacy-save']) ours.run(look)
    ours.run('nft', 'list', 'ruleset')
    expect(changes.take()).toBe(false)
    ours.run(program, ...args)
    expect([changes.take(), changes.take()]).toEqual([true, false])
  })

  test('FirewallChanges calls it a change when there was more than the kernel keeps', () => {
    using changes = new FirewallChanges(netns)
    const lines = Array.from(
      { length: 4000 },
      (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev lo table 77`,
    )
    ours.feed(lines.join('\n'), 'ip', '-batch', '-')
    expect(changes.take()).toBe(true)
  })

  test('FirewallChanges leaves no descriptor open', () => {
    const before = openDescriptors()
    new FirewallChanges(netns)[Symbol.dispose]()
    expect(leakedDescriptors(before)).toEqual([])
  })
})
