import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hashOf, runStep } from './steps.mjs'

let folder = ''
let done = 0
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambient-steps-'))
  done = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

interface Change {
  readonly key?: string
  readonly isThere?: boolean
  readonly work?: () => Promise<string>
}

function run({ key = 'a', isThere = true, work = count }: Change = {}): Promise<void> {
  return runStep(folder, { name: 'step', title: 'a step', key, isThere, work })
}

async function count(): Promise<string> {
  done++
  return 'counted'
}

test('runStep() does a step once for the same inputs', async () => {
  await run({ isThere: false })
  await run()
  expect(done).toBe(1)
})

test.each([
  { name: 'its inputs changed', change: { key: 'b' } },
  { name: 'its result is gone', change: { isThere: false } },
])('runStep() does a step again when $name', async ({ change }) => {
  await run()
  await run(change)
  expect(done).toBe(2)
})

test('runStep() does a step again that failed, and keeps no lock', async () => {
  const fail = (): Promise<string> => Promise.reject(new Error('cable cut'))
  await expect(run({ work: fail })).rejects.toThrow('cable cut')
  await run()
  expect(done).toBe(1)
  expect(readdirSync(folder)).toEqual(['stamps'])
})

test('runStep() waits for another set-up, whose result it then takes', async () => {
  await Promise.all([run(), run(), run()])
  expect(done).toBe(1)
})

test('runStep() takes over the lock of a process that is gone', async () => {
  writeFileSync(join(folder, 'lock'), '4194305') // above the largest process id
  await run()
  expect(done).toBe(1)
  expect(existsSync(join(folder, 'lock'))).toBe(false)
})

test('hashOf() changes with the content, the name and the existence of a file', () => {
  const hashes = new Set([hashOf(folder, ['x'])])
  writeFileSync(join(folder, 'x'), 'one')
  hashes.add(hashOf(folder, ['x']))
  writeFileSync(join(folder, 'x'), 'two')
  hashes.add(hashOf(folder, ['x']))
  writeFileSync(join(folder, 'y'), 'two')
  hashes.add(hashOf(folder, ['y']))
  expect(hashes.size).toBe(4)
  expect(hashOf(folder, ['y'])).toBe(hashOf(folder, ['y']))
})
