/** A check that cannot fail checks nothing: what the demo claims is broken on purpose, and it must notice. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { requireRoot } from '@ambient/testkit'
import { expect, test } from 'vitest'

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
  const { status, stdout } = demo('--sabotage', sabotage)
  expect(status).toBe(1)
  expect(stdout.split('\n').find((line) => line.includes('✗'))).toContain(says)
})

test('the demo refuses an option it does not know', () => {
  const { status, stderr } = demo('--sabotage', 'nothing')
  expect(status).toBe(2)
  expect(stderr).toContain('plaintext|identity|policy|leak')
})
