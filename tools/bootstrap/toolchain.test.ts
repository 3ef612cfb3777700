import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkIntegrity, NODE_PACKAGES, toolchainEnv } from './toolchain.mjs'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambient-toolchain-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('checkIntegrity() refuses an archive that is not the pinned one', () => {
  const archive = join(folder, 'x.tgz')
  writeFileSync(archive, 'something else')
  const node = NODE_PACKAGES['x64']
  expect.assert(node !== undefined)
  expect(() => checkIntegrity(archive, node)).toThrow('is not the pinned one')
})

test('checkIntegrity() accepts the archive whose hash is pinned', () => {
  const archive = join(folder, 'x.tgz')
  writeFileSync(archive, '')
  const empty = 'z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=='
  expect(() =>
    checkIntegrity(archive, { name: 'x', version: '1', size: '0 MB', integrity: `sha512-${empty}` }),
  ).not.toThrow()
})

test('toolchainEnv() puts the pinned Node first and drops what makes npm leave packages out', () => {
  process.env['NODE_ENV'] = 'production'
  const env = toolchainEnv('/checkout/.toolchain')
  expect(env['PATH']?.split(':')[0]).toBe('/checkout/.toolchain/node/bin')
  expect(env['NODE_ENV']).toBeUndefined()
})
