import { expect, test } from 'vitest'
import { parsePolicyRouting, policyRoutingToAdd, policyRoutingToRemove } from './policy-routing.ts'

const all =
  '0:\tfrom all lookup local\n32764:\tfrom all fwmark 0x111/0xfff lookup 100\n32766:\tfrom all lookup main\nlocal default dev lo scope host \n'

test.each([
  { name: 'both parts', text: all, found: { rule: true, route: true } },
  { name: 'neither', text: '0:\tfrom all lookup local\n', found: { rule: false, route: false } },
  {
    name: 'a rule with another mark',
    text: all.replace('0x111/0xfff', '0x1/0xfff'),
    found: { rule: false, route: true },
  },
  {
    name: 'the IPv6 form of the route',
    text: 'local default dev lo metric 1024 pref medium\n',
    found: { rule: false, route: true },
  },
])('parsePolicyRouting() sees $name', ({ text, found }) => {
  expect(parsePolicyRouting(text)).toEqual(found)
})

test('policyRoutingToAdd() puts the route before the rule, and adds nothing that is there', () => {
  expect(policyRoutingToAdd('ipv6', { rule: false, route: false })).toBe(
    'route add local ::/0 dev lo scope host table 100\nrule add pref 32764 fwmark 0x111/0xfff lookup 100\n',
  )
  expect(policyRoutingToAdd('ipv4', { rule: true, route: true })).toBe('')
})

test('policyRoutingToRemove() takes the rule first, and only what is there', () => {
  expect(policyRoutingToRemove('ipv4', { rule: true, route: true })).toBe(
    'rule del pref 32764 fwmark 0x111/0xfff lookup 100\nroute del local 0.0.0.0/0 dev lo table 100\n',
  )
  expect(policyRoutingToRemove('ipv4', { rule: false, route: false })).toBe('')
})
