import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const PROGRAM = join(import.meta.dirname, '..', 'test', 'misuse.ts')

interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

async function misuse(name: string, debug: string): Promise<Ended> {
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, name], {
    env: { ...process.env, AMBIENT_DEBUG_MEMORY: debug },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { signal: child.signalCode, stdout, stderr }
}

test.each([
  ['a length past the end', 'out of range: write: 9 bytes at 0x'],
  ['an address of nobody', 'out of range: write: 1 bytes at 0x1000'],
  ['a vector past the end', 'out of range: writev: 17 bytes at 0x'],
  ['an arena after its end', 'use after free: an arena of 16'],
  ['an address after its end', 'use after free: write: 1 bytes at 0x'],
  ['an arena ended twice', 'double free: an arena of 16'],
  ['a write after its end', 'write after free: an arena of 16'],
  ['a write over the end', 'guard bytes overwritten: of an arena of 16'],
  ['a call that writes into what is being read', 'overwritten in use: read: 8 bytes at 0x'],
  ['two readers of one arena', 'overwritten in use: an arena is held'],
  ['a descriptor closed twice', 'descriptor is not open: close of'],
  ['a descriptor after its end', 'descriptor is not open: write of'],
  ['a descriptor closed in a loop', 'closed in an event loop: descriptor'],
  ['a misuse that somebody catches', 'out of range: write: 1 bytes at 0x1000'],
])('the debug mode ends the process at %s, and says where', async (name, said) => {
  const { signal, stdout, stderr } = await misuse(name, '1')
  expect(stderr).toContain(`memory misuse: ${said}`)
  expect(stderr).toMatch(/misuse\.ts:\d+/)
  expect({ signal, stdout }).toEqual({ signal: 'SIGKILL', stdout: '' })
})

test.each(['1', 'true', '0', ''])('what is no misuse goes on with AMBIENT_DEBUG_MEMORY=%s', async (debug) => {
  expect(await misuse('none', debug)).toEqual({ signal: null, stdout: 'went on', stderr: '' })
})

test('without the debug mode an arena has no guards, and its ends do nothing', async () => {
  expect(await misuse('the ends of an arena', '0')).toEqual({
    signal: null,
    stdout: '16 7 16 went on',
    stderr: '',
  })
})
