import { expect, test } from 'vitest'
import { normaliseRule, parseIptablesSave } from './iptables-save.ts'

test.each([
  { a: '-s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT', b: '-s 169.254.7.127 -p tcp -j ACCEPT' },
  {
    a: '! -d ::1/128 -p tcp -m tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006',
    b: '! -d ::1/128 -p tcp -m mark ! --mark 0x539/0xFFF -m tcp ! --dport 15008 -j REDIRECT --to-port 15006',
  },
])('normaliseRule() sees the same rule in "$a" and "$b"', ({ a, b }) => {
  expect(normaliseRule(a)).toBe(normaliseRule(b))
})

test.each([
  { a: '-p tcp --dport 53 -j ACCEPT', b: '-p tcp ! --dport 53 -j ACCEPT' },
  { a: '-d 10.0.0.0/24 -j ACCEPT', b: '-d 10.0.0.0/25 -j ACCEPT' },
  { a: '-i eth0 -j ACCEPT', b: '-o eth0 -j ACCEPT' },
])('normaliseRule() tells "$a" from "$b"', ({ a, b }) => {
  expect(normaliseRule(a)).not.toBe(normaliseRule(b))
})

test('parseIptablesSave() reads tables, own chains and rules, with counters or without', () => {
  const text =
    '# a comment\n*nat\n:OUTPUT ACCEPT [1:60]\n:OURS - [0:0]\n[3:180] -A OUTPUT -j OURS\n-A OURS -p tcp -j ACCEPT\nCOMMIT\n*raw\nCOMMIT\n'
  expect(parseIptablesSave(text)).toEqual([
    {
      name: 'nat',
      chains: ['OURS'],
      rules: [
        { chain: 'OUTPUT', spec: '-j OURS' },
        { chain: 'OURS', spec: '-p tcp -j ACCEPT' },
      ],
    },
    { name: 'raw', chains: [], rules: [] },
  ])
})
