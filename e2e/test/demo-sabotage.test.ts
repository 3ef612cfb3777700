/** A check that cannot fail checks nothing: what the demo claims is broken on purpose, and it must notice. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { requireRoot } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { chosenWay, wayOptions } from '../way.ts'

const MAIN = join(import.meta.dirname, '..', 'demo', 'main.ts')

function demo(...args: string[]) {
  requireRoot()
  return spawnSync(process.execPath, ['--conditions=@ambient/source', MAIN, ...args], {
    encoding: 'utf8',
    timeout: 90_000,
  })
}

test.each([
  { sabotage: 'plaintext', says: 'the marker is not readable on the link: it was' },
  { sabotage: 'identity', says: 'spiffe://cluster.local/ns/shop/sa/impostor' },
  { sabotage: 'policy', says: 'the other account to be refused' },
  { sabotage: 'leak', says: 'left behind: demo-leak-' },
])('the demo notices sabotage of $sabotage and ends non-zero', { timeout: 100_000 }, ({ sabotage, says }) => {
  const way = chosenWay()
  const { status, stdout } = demo('--sabotage', sabotage, ...(way === undefined ? [] : wayOptions(way)))
  expect(status).toBe(1)
  expect(stdout.split('\n').find((line) => line.includes('✗'))).toContain(says)
})

test.each([
  { args: ['--sabotage', 'nothing'], says: 'plaintext|identity|policy|leak' },
  { args: ['--redirect', 'ebpf'], says: '--redirect must be iptables or nftables: "ebpf"' },
  { args: ['--families', 'both'], says: '--families must be ipv4, ipv6 or dual: "both"' },
  { args: ['--nodes', '3'], says: "Unknown option '--nodes'" },
])('the demo refuses $args and says what there is', ({ args, says }) => {
  const { status, stderr } = demo(...args)
  expect(status).toBe(2)
  expect(stderr).toContain(says)
  expect(stderr).toContain('usage: npm run demo')
})
