import { expect, test } from 'vitest'
import { checkPlatform } from './platform.mjs'

const debian = { platform: 'linux', arch: 'x64', nodeMajor: 20, isGlibc: true }

test.each(['x64', 'arm64'])('checkPlatform() has a Node for %s', (arch) => {
  expect(checkPlatform({ ...debian, arch }).name).toBe(`node-linux-${arch}`)
})

test.each([
  { machine: { ...debian, platform: 'darwin' }, says: 'use a virtual machine with Debian or Ubuntu' },
  { machine: { ...debian, arch: 'riscv64' }, says: 'use a machine with x64 or arm64' },
  { machine: { ...debian, isGlibc: false }, says: 'use Debian or Ubuntu' },
  { machine: { ...debian, nodeMajor: 18 }, says: 'install Node 20 or newer' },
])('checkPlatform() says in one line what to do: $says', ({ machine, says }) => {
  expect(() => checkPlatform(machine)).toThrow(says)
  expect(() => checkPlatform(machine)).not.toThrow('\n')
})
