import { existsSync, fstatSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, listenOn, localAddress } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, turnUntil } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type HandedSocket,
  HandoverClient,
  type HandoverLimits,
  type HandoverRequest,
  type HandoverResult,
  HandoverServer,
} from '../src/index.ts'
import { RawPeer } from './raw-peer.ts'

let before: ReadonlyMap<number, string>
let directory = ''
let loop: EventLoop
const closing: (() => void)[] = []

beforeEach(() => {
  before = openDescriptors()
  directory = mkdtempSync(join(tmpdir(), 'handover-'))
  loop = new EventLoop()
})
afterEach(() => {
  for (const close of closing.splice(0)) close()
  loop[Symbol.dispose]()
  rmSync(directory, { recursive: true })
  expect(leakedDescriptors(before)).toEqual([])
})

const path = (): string => join(directory, 'handover.sock')

interface Giver {
  readonly server: HandoverServer
  readonly asked: HandoverRequest[]
  readonly events: string[]
}

/** A predecessor with `count` sockets for every pod; `undefined` does not answer. */
function openGiver(count: number | undefined): Giver {
  const asked: HandoverRequest[] = []
  const events: string[] = []
  const server = new HandoverServer(loop, {
    path: path(),
    onRequest: (request, answer) => {
      asked.push(request)
      if (count === undefined) return
      answer({ kind: 'done', sockets: request.kind === 'take' ? listening(count) : [] })
    },
    onLost: (reason, hadFinished) => void events.push(`lost ${String(hadFinished)}: ${reason}`),
    onTurnedAway: () => void events.push('turned away'),
  })
  closing.push(() => server[Symbol.dispose]())
  return { server, asked, events }
}

function listening(count: number): HandedSocket[] {
  return Array.from({ length: count }, () => {
    const fd = listenOn({ ip: '127.0.0.1', port: 0 })
    return { role: 'inbound-hbone', ip: '127.0.0.1', port: localAddress(fd).port, fd }
  })
}

function openTaker(limits: Partial<HandoverLimits> = {}) {
  const lost: string[] = []
  const client = HandoverClient.connect(loop, {
    path: path(),
    limits,
    onLost: (reason) => void lost.push(reason),
  })
  if (client === undefined) throw new Error('Cannot connect')
  closing.push(() => client.close())
  const ask = async (request: HandoverRequest): Promise<HandoverResult> => {
    let result: HandoverResult | undefined
    client.request(request, (answer) => (result = answer))
    await turnUntil(loop, `an answer to ${request.kind}`, () => result !== undefined)
    return result ?? { kind: 'failed', reason: 'none' }
  }
  return { client, ask, lost }
}

test('request() brings the same sockets, however many packets they take', async () => {
  const { asked } = openGiver(300)
  const { ask } = openTaker()
  const taken = await ask({ kind: 'take', uid: 'a' })
  const sockets = taken.kind === 'done' ? taken.sockets : []
  expect(sockets).toHaveLength(300)
  for (const { fd, port } of sockets) {
    expect([fstatSync(fd).isSocket(), localAddress(fd).port]).toEqual([true, port])
    closeDescriptor(fd)
  }
  expect(await ask({ kind: 'taken', uid: 'a' })).toEqual({ kind: 'done', sockets: [] })
  expect(asked.map(({ kind }) => kind)).toEqual(['take', 'taken'])
})

test('finish frees the path for the successor, and its end is noticed all the same', async () => {
  const { events } = openGiver(1)
  const { ask, client } = openTaker()
  await ask({ kind: 'finish' })
  expect(existsSync(path())).toBe(false)
  openGiver(1)
  client.close()
  await turnUntil(loop, 'the end', () => events.length > 0)
  expect(events).toEqual(['lost true: the other end closed the connection'])
})

test('a successor that dies before it has finished is told of, and the next one is served', async () => {
  const { events } = openGiver(1)
  const first = openTaker()
  const taken = await first.ask({ kind: 'taken', uid: 'a' })
  expect(taken.kind).toBe('done')
  first.client.close()
  await turnUntil(loop, 'the end', () => events.length > 0)
  expect(events).toEqual(['lost false: the other end closed the connection'])
  expect(await openTaker().ask({ kind: 'taken', uid: 'a' })).toEqual({ kind: 'done', sockets: [] })
})

test('a second successor is turned away, and who only looks whether somebody listens is none', async () => {
  const { events } = openGiver(0)
  const probe = RawPeer.connect(path())
  loop.turn(10)
  probe.close()
  loop.turn(10)
  expect(events).toEqual([])
  await openTaker().ask({ kind: 'taken', uid: 'a' })
  const second = openTaker()
  await turnUntil(loop, 'it to be turned away', () => second.lost.length > 0)
  expect(events).toEqual(['turned away'])
  expect(await second.ask({ kind: 'take', uid: 'a' })).toEqual({
    kind: 'failed',
    reason: 'the predecessor is gone',
  })
})

test('a predecessor that does not answer in time is given up', async () => {
  openGiver(undefined)
  const { ask, lost } = openTaker({ handoverAnswerMs: 50 })
  const reason = 'no answer within 50 ms'
  expect([await ask({ kind: 'take', uid: 'a' }), lost]).toEqual([{ kind: 'failed', reason }, [reason]])
})

test('connect() finds nobody where nobody listens', () => {
  expect(HandoverClient.connect(loop, { path: path(), onLost: () => {} })).toBeUndefined()
})

test.each([
  { name: 'another version', hex: '0a02 0802', heard: /^0a/ },
  { name: 'what is no request', hex: 'ff', heard: /^0a/ },
  { name: 'descriptors that nobody asked for', hex: '0a02 0801', fds: true, heard: /^1200$/ },
])('a successor that sends $name is answered, and nothing is left open', async ({ hex, fds, heard }) => {
  openGiver(0)
  const peer = RawPeer.connect(path())
  closing.push(() => peer.close())
  const sockets = fds === true ? listening(2) : []
  peer.send(
    hex,
    sockets.map(({ fd }) => fd),
  )
  for (const { fd } of sockets) closeDescriptor(fd)
  let answer: string | undefined
  await turnUntil(loop, 'an answer', () => (answer = peer.hear()) !== undefined)
  expect(answer).toMatch(heard)
})
