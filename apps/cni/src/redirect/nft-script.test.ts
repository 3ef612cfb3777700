import { describe, expect, test } from 'vitest'
import { plainSettings, redirectCases } from '../../test/redirect-cases.ts'
import { differingLines, hasRules, parseNftListing } from './nft-listing.ts'
import { nftScript } from './nft-script.ts'
import { nftHostScript, parseNftSet } from './nft-host-probe.ts'

describe.each([
  ...redirectCases,
  { name: 'ipv4-only-dns', settings: { ...plainSettings, ipv6: false, dnsCapture: true } },
])('nftScript() $name', ({ name, settings }) => {
  test('has the golden rules and order', async () => {
    await expect(nftScript(settings)).toMatchFileSnapshot(`testdata/${name}.nft`)
  })
})

test.each([
  { name: 'host-probe', ipv6: true },
  { name: 'host-probe-ipv4-only', ipv6: false },
])('nftHostScript() $name has the golden rules', async ({ name, ipv6 }) => {
  const script = nftHostScript({ probe: plainSettings.probe, ipv6, uid: 1001 })
  await expect(script).toMatchFileSnapshot(`testdata/${name}.nft`)
})

const listing = `table inet istio-ambient-nat {
	set s {
		type ipv4_addr
	}

	chain output {
		type nat hook output priority -100; policy accept;
		jump istio-output
	}

	chain istio-output {
		oifname "lo" ip daddr != 127.0.0.1 counter accept
		meta l4proto 6 counter redirect to :15001
	}
}
table inet other {
}
`
const tables = parseNftListing(listing)
const without = (line: string): ReturnType<typeof parseNftListing> =>
  parseNftListing(listing.replace(line, ''))

test('parseNftListing() reads tables, chains and their lines', () => {
  expect(tables.map(({ name }) => name)).toEqual(['istio-ambient-nat', 'other'])
  expect(tables[0]?.lines).toContainEqual({ chain: 'output', text: 'jump istio-output', isHook: false })
  expect(tables[0]?.lines).toContainEqual({ chain: '', text: 'set s {', isHook: false })
})

test.each([
  { what: 'nothing, where nothing differs', found: tables, lines: [] },
  {
    what: 'a rule that is gone',
    found: without('		jump istio-output\n'),
    lines: ['istio-ambient-nat output jump istio-output'],
  },
  {
    what: 'a table that is gone',
    found: parseNftListing(listing.replace('table inet other {\n}\n', '')),
    lines: [],
  },
  {
    what: 'another order',
    found: parseNftListing(listing.replace(/(\t\toifname[^\n]*\n)(\t\tmeta l4proto[^\n]*\n)/, '$2$1')),
    lines: ['rules are out of order, or there are too many'],
  },
  {
    what: 'a chain of somebody else',
    found: parseNftListing(
      listing.replace('table inet other {\n', 'table inet other {\n\tchain mine {\n\t}\n'),
    ),
    lines: ['rules are out of order, or there are too many'],
  },
])('differingLines() names $what', ({ found, lines }) => {
  expect(differingLines(found, tables)).toEqual(lines)
})

test('hasRules() counts neither hooks nor chains', () => {
  expect(hasRules(tables, 'istio-ambient-nat')).toBe(true)
  const flushed = listing
    .replaceAll(/^\t\t(jump|oifname|meta)[^\n]*\n/gm, '')
    .replace(/\tset s \{[^}]*\}\n/, '')
  expect(hasRules(parseNftListing(flushed), 'istio-ambient-nat')).toBe(false)
  expect(hasRules(tables, 'other')).toBe(false)
})

test('parseNftSet() reads addresses and whose they are', () => {
  const set = { elem: [{ elem: { val: '10.0.0.1', comment: 'a-b' } }, '10.0.0.2'] }
  expect(parseNftSet(JSON.stringify({ nftables: [{ metainfo: {} }, { set }] }))).toEqual([
    { ip: '10.0.0.1', uid: 'a-b' },
    { ip: '10.0.0.2', uid: '' },
  ])
  expect(parseNftSet('{"nftables": [{"set": {"name": "empty"}}]}')).toEqual([])
})
