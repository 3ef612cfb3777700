import { expect, test } from 'vitest'
import { checkRequirements } from './requirements.ts'
import type { Machine } from './requirements.ts'

const fit: Machine = { platform: 'linux', uid: 0, hasProgram: () => true, hasFile: () => true }
const lacking: Machine = {
  ...fit,
  hasProgram: (name) => !['dnsmasq', 'nsenter', 'unshare'].includes(name),
  hasFile: () => false,
}

test('checkRequirements() lets a fit machine pass', () => {
  expect(() => checkRequirements(fit)).not.toThrow()
})

test.each([
  {
    name: 'every package at once',
    machine: lacking,
    message:
      'The lab lacks programs, run: apt-get install --yes --no-install-recommends containernetworking-plugins dnsmasq-base util-linux',
  },
  {
    name: 'sudo to who is not root',
    machine: { ...lacking, uid: 1000 },
    message: /run: sudo apt-get install/,
  },
  {
    name: 'sudo when nothing else is missing',
    machine: { ...fit, uid: 1000 },
    message: /needs root, run the same command with: sudo$/,
  },
  {
    name: 'Linux',
    machine: { ...fit, platform: 'darwin' },
    message: /needs Linux, this is darwin: run it in a virtual machine/,
  },
])('checkRequirements() asks for $name in one line', ({ machine, message }) => {
  expect(() => checkRequirements(machine)).toThrow(message)
  expect(() => checkRequirements(machine)).toThrow(expect.objectContaining({ code: 'REQUIREMENT_MISSING' }))
})
