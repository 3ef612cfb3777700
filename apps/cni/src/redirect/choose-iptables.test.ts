import { expect, test } from 'vitest'
import { chooseIptables, flavourOf, type IptablesSituation } from './choose-iptables.ts'

const both = { legacy: true, nft: true, plain: 'nft' } as const
const fresh: IptablesSituation = { forced: undefined, remembered: undefined, has: both, usesLegacy: false }

test.each([
  { what: 'nft where nothing speaks for the other', change: {}, ipv6: 'ip6tables-nft' },
  { what: 'legacy where the node has such rules', change: { usesLegacy: true }, ipv6: 'ip6tables-legacy' },
  {
    what: 'the forced one against all else',
    change: { forced: 'nft', usesLegacy: true, remembered: 'legacy' },
    ipv6: 'ip6tables-nft',
  },
  {
    what: 'the one chosen earlier, whatever the node has now',
    change: { remembered: 'nft', usesLegacy: true },
    ipv6: 'ip6tables-nft',
  },
  {
    what: 'another where the one chosen earlier is gone',
    change: { remembered: 'legacy', has: { ...both, legacy: false } },
    ipv6: 'ip6tables-nft',
  },
  {
    what: 'legacy where there is nothing else',
    change: { has: { legacy: true, nft: false, plain: undefined } },
    ipv6: 'ip6tables-legacy',
  },
  {
    what: 'the only name there is',
    change: { has: { legacy: false, nft: false, plain: 'legacy' } },
    ipv6: 'ip6tables',
  },
  {
    what: 'the forced one by its only name',
    change: { forced: 'nft', has: { legacy: false, nft: false, plain: 'nft' } },
    ipv6: 'ip6tables',
  },
] as const)('chooseIptables() takes $what', ({ change, ipv6 }) => {
  expect(chooseIptables({ ...fresh, ...change }).ipv6).toBe(ipv6)
})

test('chooseIptables() refuses what is not installed, in one line', () => {
  const none = { legacy: false, nft: false, plain: undefined }
  expect(() => chooseIptables({ ...fresh, has: none })).toThrow(
    /no iptables is installed.*--redirect-mode nftables/,
  )
  expect(() => chooseIptables({ ...fresh, forced: 'legacy', has: { ...both, legacy: false } })).toThrow(
    'FORCE_IPTABLES_BINARY is legacy, but iptables-legacy is not installed',
  )
})

test.each([
  { version: 'iptables v1.8.9 (nf_tables)', flavour: 'nft' },
  { version: 'iptables v1.8.9 (legacy)', flavour: 'legacy' },
  { version: 'iptables v1.6.1', flavour: 'legacy' },
])('flavourOf() reads "$version"', ({ version, flavour }) => {
  expect(flavourOf(version)).toBe(flavour)
})
