import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileLoad, countOf, type LoadCounts, readCounts } from './load-program.ts'

let scratch: string
let program: string

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'ambient-bench-test-'))
  program = join(scratch, 'load')
  writeFileSync(program, await compileLoad(), { mode: 0o755 })
})
afterAll(() => rmSync(scratch, { recursive: true }))

/** A server in this process that answers every chunk as `answer` says. */
async function serving(answer: (socket: Socket, chunk: Buffer) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {}) // the program ends when its time is over
    socket.on('data', (chunk) => answer(socket, Buffer.from(chunk)))
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return server
}

async function load(mode: string, port: number): Promise<LoadCounts> {
  const { stdout } = await promisify(execFile)(program, [mode, '127.0.0.1', String(port), '4', '0.1'])
  return readCounts(stdout)
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

test('the load program counts the right answers of its own server, in both modes', async () => {
  const free = await serving(() => {})
  const port = portOf(free)
  await new Promise((resolve) => free.close(resolve))
  const server = execFile(program, ['serve', String(port)])
  try {
    const counts = await waitFor('the server', () => load('connections', port).catch(() => undefined))
    expect(countOf(counts, 'right')).toBeGreaterThan(0)
    expect(countOf(counts, 'seconds')).toBeGreaterThanOrEqual(0.1)
    const bytes = await load('bytes', port)
    expect(countOf(bytes, 'bytes')).toBeGreaterThan(0)
    expect(countOf(bytes, 'least')).toBeLessThanOrEqual(countOf(bytes, 'bytes') / 4)
  } finally {
    server.kill()
  }
})

test.each([
  { what: 'a changed byte', answer: (chunk: Buffer) => Buffer.from(chunk).fill(0, 60, 61) },
  { what: 'a byte too many', answer: (chunk: Buffer) => Buffer.concat([chunk, Buffer.alloc(1)]) },
  { what: 'a byte too few', answer: (chunk: Buffer) => chunk.subarray(1) },
])('the load program notices $what in an echo', async ({ answer }) => {
  await using server = await serving((socket, chunk) => socket.end(answer(chunk)))
  await expect(load('connections', portOf(server))).rejects.toThrow(/\d+ answers were wrong and \d+ missing/)
})

test('the load program notices a connection that is reset, and one that nobody takes', async () => {
  const server = await serving((socket) => socket.resetAndDestroy())
  const port = portOf(server)
  await expect(load('connections', port)).rejects.toThrow('Connection reset by peer')
  await new Promise((resolve) => server.close(resolve))
  await expect(load('connections', port)).rejects.toThrow('Connection refused')
})

test('the load program notices bytes that are not the stream’s, and a stream that ends', async () => {
  await using wrong = await serving((socket) => socket.write(Buffer.alloc(1000)))
  await expect(load('bytes', portOf(wrong))).rejects.toThrow(/^[1-9]\d* answers were wrong/)
  await using ending = await serving((socket) => socket.end())
  await expect(load('bytes', portOf(ending))).rejects.toThrow('0 answers were wrong and 4 missing')
})

test('readCounts() refuses a run without a single answer, and what is no answer', () => {
  expect(() => readCounts('{"right":0,"wrong":0,"failed":0,"all":0}')).toThrow('of 0')
  expect(() => readCounts('{"right":1}')).toThrow('did not tell "wrong"')
})
