import net from 'node:net'
import { decodeStreamFrame, encodeStreamFrame } from '@ambient/dns'
import { EventLoop } from '@ambient/event-loop'
import { systemRandom } from '@ambient/lifecycle'
import { acceptOn, closeDescriptor, listenOn, localAddress } from '@ambient/linux'
import { keepTurning, leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DnsLimits } from './dns-limits.ts'
import type { DnsCounts } from './dns-report.ts'
import type { DnsRequest } from './dns-request.ts'
import { openDnsThread } from './dns-thread.ts'
import { TcpClient } from './tcp-client.ts'

let before: ReadonlyMap<number, string>
let loop: EventLoop
let turning: Disposable
beforeEach(() => {
  before = openDescriptors()
  loop = new EventLoop()
  turning = keepTurning(loop)
})
afterEach(async () => {
  turning[Symbol.dispose]()
  loop[Symbol.dispose]()
  await waitFor('every descriptor to be closed', () => leakedDescriptors(before).length === 0)
})

interface Opened {
  readonly app: net.Socket
  readonly client: TcpClient
  readonly requests: DnsRequest[]
  readonly counts: DnsCounts[]
  readonly closed: { count: number }
}

/** A connected pair: the app's end, and ours. */
async function open(limits: Partial<DnsLimits>, onRequest?: (request: DnsRequest) => void): Promise<Opened> {
  const listening = listenOn({ ip: '127.0.0.1', port: 0 })
  const app = net.connect(localAddress(listening).port, '127.0.0.1').on('error', () => {})
  const fd = await waitFor('the connection', () => {
    const result = acceptOn(listening)
    return result.kind === 'accepted' && result.fd
  })
  closeDescriptor(listening)
  const counts: DnsCounts[] = []
  const requests: DnsRequest[] = []
  const closed = { count: 0 }
  const settings = {
    addresses: [],
    nameservers: [],
    clusterDomain: 'cluster.local',
    searchDomains: undefined,
    preferredNamespace: undefined,
  }
  const deps = { loop, random: systemRandom, log: () => {}, isLogged: () => false, limits }
  const thread = openDnsThread(settings, { ...deps, post: (posted) => void counts.push(posted) })
  if (thread === undefined) throw new Error('there are settings')
  const client = new TcpClient(fd, {
    thread,
    onRequest: onRequest ?? ((request) => void requests.push(request)),
    onClosed: () => closed.count++,
  })
  return { app, client, requests, counts, closed }
}

const frames = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => encodeStreamFrame(Uint8Array.of(i))))

test('TcpClient gives out no more queries than are worked on at once, and the rest as they are answered', async () => {
  const { app, client, requests } = await open({ dnsPipelined: 4 })
  app.write(frames(10))
  await waitFor('four', () => requests.length >= 4)
  for (let answered = 0; answered < 10; answered++) {
    expect(requests.length).toBeLessThanOrEqual(answered + 4)
    requests[answered]?.answer(Uint8Array.of(answered))
    await waitFor('the next', () => requests.length >= Math.min(10, answered + 5))
  }
  expect(requests.map(({ bytes }) => bytes[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  client.close()
  app.destroy()
})

test('TcpClient answers in any order', async () => {
  const { app, client, requests } = await open({})
  const parts: Buffer[] = []
  app.on('data', (part: Buffer) => parts.push(part)).write(frames(3))
  await waitFor('three', () => requests.length === 3)
  for (const i of [2, 0, 1]) requests[i]?.answer(Uint8Array.of(i))
  await waitFor('three answers', () => Buffer.concat(parts).length === 9)
  expect(Buffer.concat(parts).toString('hex')).toBe('000102000100000101')
  client.close()
  app.destroy()
})

test('TcpClient resets who does not read while answers pile up, and counts it', async () => {
  const { app, requests, counts, closed } = await open({
    dnsPipelined: 500,
    dnsUnsentBytes: 100_000,
    dnsIdleMs: 60_000,
  })
  app.pause().write(frames(250))
  await waitFor('all queries', () => requests.length === 250)
  for (const { answer } of requests) answer(new Uint8Array(60_000)) // 15 MB, more than any socket buffer
  expect(closed.count).toBe(1)
  await waitFor('the count', () => counts.some(({ limitHits }) => limitHits.dnsUnsentBytes === 1))
  app.destroy()
})

test('TcpClient reads no query while an answer cannot be sent, hangs up when it stays so, and loses none before', async () => {
  const served = { count: 0 }
  const { app, closed } = await open({ dnsIdleMs: 200 }, ({ answer }) => {
    served.count++
    answer(new Uint8Array(60_000))
  })
  app.pause().write(frames(250))
  await waitFor('it to be hung up on', () => closed.count === 1)
  expect(served.count).toBeGreaterThan(1)
  expect(served.count).toBeLessThan(250)
  let received = Buffer.alloc(0)
  let whole = 0
  app.on('data', (part: Buffer) => {
    received = Buffer.concat([received, part])
    for (
      let frame = decodeStreamFrame(received);
      frame.kind === 'done';
      frame = decodeStreamFrame(received)
    ) {
      received = received.subarray(frame.consumed)
      whole++
    }
  })
  app.resume()
  await waitFor('the end', () => app.closed || app.readableEnded || app.destroyed)
  // All but the one that was being sent.
  expect(whole).toBe(served.count - 1)
})

test('TcpClient that drains closes once what was asked is answered', async () => {
  const { app, client, requests, closed } = await open({})
  let hasEnded = false
  app
    .on('data', () => {})
    .on('end', () => (hasEnded = true))
    .write(frames(1))
  await waitFor('the query', () => requests.length === 1)
  client.drain()
  expect(closed.count).toBe(0)
  requests[0]?.answer(Uint8Array.of(1))
  await waitFor('the end', () => hasEnded)
  expect(closed.count).toBe(1)
})

test('an answer that comes after the end goes nowhere', async () => {
  const { app, client, requests, closed } = await open({})
  app.write(frames(1))
  await waitFor('the query', () => requests.length === 1)
  client.close()
  requests[0]?.answer(Uint8Array.of(1))
  expect(closed.count).toBe(1)
  app.destroy()
})
