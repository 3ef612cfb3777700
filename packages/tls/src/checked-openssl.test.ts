import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const PROGRAM = join(import.meta.dirname, '..', 'test', 'misuse.ts')

async function misuse(name: string): Promise<{ readonly signal: string | null; readonly said: string }> {
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, name], {
    env: { ...process.env, AMBIENT_DEBUG_MEMORY: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { signal: child.signalCode, said: stdout + stderr }
}

test.each([
  ['a context freed twice', 'double free: SSL_CTX_free of SSL_CTX 0x'],
  ['a connection after its end', 'use after free: SSL_do_handshake of SSL 0x'],
  ['a connection freed inside of its own call', 'freed in use: SSL_free of SSL 0x'],
  ['a BIO that its connection frees', 'double free: BIO_free of BIO, which belongs to a connection'],
  ['a BIO that went with its connection', 'double free: BIO_free of BIO 0x'],
  ['a pointer to something else', 'not a live object: SSL_do_handshake of SSL 0x'],
  ['a pointer to nothing', 'not a live object: SSL_free of SSL 0x0'],
  ['a read past the end of an arena', 'out of range: SSL_read: 16384 bytes at 0x'],
  ['a text that ended before its reader', 'use after free: PEM_read_bio_X509: 4 bytes at 0x'],
])('the debug mode ends the process at %s, and says where', async (name, expected) => {
  const { signal, said } = await misuse(name)
  expect(said).toContain(`memory misuse: ${expected}`)
  expect(said).not.toContain('went on')
  expect(signal).toBe('SIGKILL')
})

test('the debug mode lets a connection begin and end', async () => {
  expect(await misuse('none')).toEqual({ signal: null, said: 'went on' })
})
