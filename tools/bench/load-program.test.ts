import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  compileLoad,
  countOf,
  loadArguments,
  type LoadCounts,
  type LoadRequest,
  readCounts,
} from './load-program.ts'

let scratch: string
let program: string

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'ambient-bench-test-'))
  program = await compileLoad(scratch)
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

async function load(mode: LoadRequest['mode'], port: number): Promise<LoadCounts> {
  const request: LoadRequest = { mode, many: 4, seconds: 0.1, rate: 500 }
  const words = loadArguments({ ip: '127.0.0.1', port }, request)
  return readCounts((await promisify(execFile)(program, words)).stdout)
}

/** The program's own server, on a port that was free. */
async function serve(): Promise<{ readonly port: number } & Disposable> {
  const free = await serving(() => {})
  const port = portOf(free)
  await new Promise((resolve) => free.close(resolve))
  const server = execFile(program, ['serve', String(port)])
  await waitFor('the server', () => load('connections', port).catch(() => undefined))
  return { port, [Symbol.dispose]: () => void server.kill() }
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

test('the load program counts the right answers of its own server, in each mode', async () => {
  using server = await serve()
  const connections = await load('connections', server.port)
  expect(countOf(connections, 'right')).toBeGreaterThan(0)
  expect(countOf(connections, 'seconds')).toBeGreaterThanOrEqual(0.1)
  const bytes = await load('bytes', server.port)
  expect(countOf(bytes, 'bytes')).toBeGreaterThan(0)
  expect(countOf(bytes, 'least')).toBeLessThanOrEqual(countOf(bytes, 'bytes') / 4)
  const roundTrips = await load('round-trips', server.port)
  expect(countOf(roundTrips, 'all')).toBe(101) // 0.1 s of warm-up, 0.1 s that count, and the first at 0
  expect(countOf(roundTrips, 'counted')).toBe(51)
  expect(countOf(roundTrips, 'p50us')).toBeGreaterThan(0)
  expect(countOf(roundTrips, 'p99us')).toBeGreaterThanOrEqual(countOf(roundTrips, 'p50us'))
})

test('the load program holds idle connections until its input ends, and sees whether they still work', async () => {
  using server = await serve()
  const holding = execFile(program, ['idle', '127.0.0.1', String(server.port), '20'])
  let said = ''
  holding.stdout?.on('data', (text: string) => (said += text))
  await waitFor('the connections to be open', () => said === 'open\n' || undefined)
  holding.stdin?.end()
  await once(holding, 'close')
  expect(countOf(readCounts(said.replace('open\n', '')), 'all')).toBe(20)
})

test.each([
  { what: 'a changed byte', answer: (chunk: Buffer) => Buffer.from(chunk).fill(0, 60, 61) },
  { what: 'a byte too many', answer: (chunk: Buffer) => Buffer.concat([chunk, Buffer.alloc(1)]) },
  { what: 'a byte too few', answer: (chunk: Buffer) => chunk.subarray(1) },
])('the load program notices $what in an echo', async ({ answer }) => {
  await using server = await serving((socket, chunk) => socket.end(answer(chunk)))
  await expect(load('connections', portOf(server))).rejects.toThrow(/\d+ answers were wrong and \d+ missing/)
})

test('the load program goes on until every line has had its turn, however slow the answers are', async () => {
  await using server = await serving((socket, chunk) => void setTimeout(() => socket.end(chunk), 300))
  const counts = await load('connections', portOf(server))
  expect(countOf(counts, 'right')).toBeGreaterThanOrEqual(4)
  expect(countOf(counts, 'seconds')).toBeGreaterThan(0.1)
})

test('the load program notices a connection that is reset, and one that nobody takes', async () => {
  const server = await serving((socket) => socket.resetAndDestroy())
  const port = portOf(server)
  await expect(load('connections', port)).rejects.toThrow('Connection reset by peer')
  await new Promise((resolve) => server.close(resolve))
  await expect(load('connections', port)).rejects.toThrow('Connection refused')
})

test('the load program notices a wrong round trip, and one that stays away', async () => {
  await using wrong = await serving((socket, chunk) =>
    socket.write(chunk.length > 1 ? Buffer.from(chunk).fill(0, 0, 1) : chunk),
  )
  await expect(load('round-trips', portOf(wrong))).rejects.toThrow(
    /^[1-9]\d* answers were wrong and 0 missing/,
  )
  await using ending = await serving((socket, chunk) =>
    chunk.length > 1 ? socket.end() : socket.write(chunk),
  )
  await expect(load('round-trips', portOf(ending))).rejects.toThrow(
    /^0 answers were wrong and [1-9]\d* missing/,
  )
})

test('the load program notices bytes that are not the stream’s, and a stream that ends', async () => {
  await using wrong = await serving((socket) => socket.write(Buffer.alloc(1000)))
  await expect(load('bytes', portOf(wrong))).rejects.toThrow(/^[1-9]\d* answers were wrong/)
  await using ending = await serving((socket) => socket.end())
  await expect(load('bytes', portOf(ending))).rejects.toThrow(/^0 answers were wrong and [1-4] missing/)
})

/** A name server that answers each query as `answer` says, and what the program counted of it. */
async function lookedUp(answer: (query: Buffer) => Buffer): Promise<LoadCounts> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => socket.send(answer(query), port, address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  try {
    const words = ['dns', '127.0.0.1', String(socket.address().port), '4', '0.1', 'web.example', '192.0.2.1']
    return readCounts((await promisify(execFile)(program, words)).stdout)
  } finally {
    socket.close()
  }
}

/** What `query` asks, answered with an address. */
function dnsAnswer(query: Buffer, ip: readonly number[]): Buffer {
  const head = Buffer.from(query)
  head.writeUInt16BE(0x8180, 2)
  head.writeUInt16BE(1, 6)
  return Buffer.concat([head, Buffer.from('c00c000100010000001e0004', 'hex'), Buffer.from(ip)])
}

test('the load program counts right answers to its DNS queries, and notices wrong ones', async () => {
  const names: string[] = []
  const right = await lookedUp((query) => {
    names.push(query.subarray(12, -4).toString('latin1'))
    return dnsAnswer(query, [192, 0, 2, 1])
  })
  expect(new Set(names)).toEqual(new Set(['\u0003web\u0007example\u0000']))
  expect(countOf(right, 'persecond')).toBeGreaterThan(0)
  expect(countOf(right, 'p99us')).toBeGreaterThanOrEqual(countOf(right, 'p50us'))
  await expect(lookedUp((query) => dnsAnswer(query, [192, 0, 2, 2]))).rejects.toThrow(/answers were wrong/)
  const nameError = (query: Buffer): Buffer => {
    const answer = dnsAnswer(query, [192, 0, 2, 1])
    answer.writeUInt8(0x83, 3)
    return answer
  }
  await expect(lookedUp(nameError)).rejects.toThrow(/answers were wrong/)
})

test('readCounts() refuses a run without a single answer, and what is no answer', () => {
  expect(() => readCounts('{"right":0,"wrong":0,"failed":0,"all":0}')).toThrow('of 0')
  expect(() => readCounts('{"right":1}')).toThrow('did not tell "wrong"')
})
