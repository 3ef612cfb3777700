/** The whole process on its good and bad days: real gRPC, real threads, real namespaces. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type net from 'node:net'
import type { Workload } from '@ambient/model'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { outcomeOf, openPods, textOf } from './pod-net.ts'
import { type AtRest, TestNode } from './test-node.ts'

requireRoot()

const VIP = '10.96.0.1'
const TRIES = 20
const GOAL_MS = 15
const STREAMS_A_SESSION = 100
const BATCH = 250
/** Sessions of the pool and the control plane’s connections come and go. */
const SPARE_DESCRIPTORS = 32
const ON_NODE: Partial<Workload> = { node: 'node1' }
const web = pod('web', {
  ...ON_NODE,
  addresses: ['10.0.0.2'],
  serviceAccount: 'web',
  ...serves('web', [80, 8080]),
})
const client = pod('client', { ...ON_NODE, addresses: ['10.0.0.1'], serviceAccount: 'client' })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })

let pods: Awaited<ReturnType<typeof open>>
let node: TestNode
let base: AtRest

async function open() {
  return openPods([
    { name: 'home', ip: '10.0.255.1' },
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'fresh', ip: '10.0.0.3', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  node = await TestNode.open(pods.home, { SECRET_TTL: '6s' })
  node.push(webService, web, client)
  await node.enrol(pods.web, web)
  await node.enrol(pods.client, client)
  pods.web.listen(8080)
  expect(await say('warm')).toBe('warm')
  base = await node.rest()
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  pods[Symbol.dispose]()
})

beforeEach(() => {
  node.control.answer = () => Promise.resolve('issue')
})
/** Nothing open that was not at the beginning, no processor used. */
afterEach(async () => {
  await node.rest(base.descriptors + SPARE_DESCRIPTORS)
  expect(node.lines.filter((line) => line['reason'] === 'WORKER_FAULT')).toEqual([])
})

async function say(text: string, ip = VIP, toPort = 80): Promise<string> {
  const socket = await node.dial(pods.client, ip, toPort)
  socket.end(text)
  return textOf(socket)
}

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test('the first byte of an identity that nobody knew comes soon after the push that made it known', async () => {
  const tookMs: number[] = []
  for (let n = 0; n < TRIES; n++) {
    const fresh = pod(`fresh-${n}`, { ...ON_NODE, addresses: ['10.0.0.3'], serviceAccount: `fresh-${n}` })
    await node.enrol(pods.fresh, fresh)
    // Taken by ztunnel, which holds it: it does not know whose it is.
    const socket = await node.dial(pods.fresh, VIP, 80)
    socket.write('x')
    const answered = once(socket, 'data')
    const fromMs = performance.now()
    node.push(fresh)
    await answered
    tookMs.push(performance.now() - fromMs)
    socket.destroy()
    await node.leave(fresh)
    node.withdraw(fresh)
  }
  const [median, worst] = [medianOf(tookMs), Math.max(...tookMs)]
  process.stdout.write(
    `push to first byte: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms of ${TRIES}\n`,
  )
  // A machine that does much else slows most tries by as much as it likes; the best one tells whether we do.
  expect(Math.min(...tookMs)).toBeLessThan(6 * GOAL_MS)
})

test('certificates of many new pods are asked for side by side, and of no pod elsewhere', async () => {
  const many = Array.from({ length: 12 }, (_, n) =>
    pod(`many-${n}`, { ...ON_NODE, serviceAccount: `many-${n}` }),
  )
  const elsewhere = pod('elsewhere', { node: 'node2', serviceAccount: 'elsewhere' })
  const isOurs = (id: string): boolean => id.includes('/sa/many-')
  let inFlight = 0
  let most = 0
  const gate = Promise.withResolvers<void>()
  node.control.answer = async (id) => {
    if (!isOurs(id)) return 'issue'
    most = Math.max(most, ++inFlight)
    await gate.promise
    inFlight--
    return 'issue'
  }
  node.push(...many, elsewhere)
  await waitFor('as many requests as may be at once', () => inFlight === 8)
  gate.resolve()
  await waitFor(
    'all to be there',
    () => states().filter(([id, state]) => isOurs(id) && state === 'Available').length === 12,
  )
  expect(most).toBe(8)
  expect(states().some(([id]) => id.includes('elsewhere'))).toBe(false)
  node.withdraw(...many, elsewhere)
  await waitFor('all to be forgotten', () => states().every(([id]) => !isOurs(id)))
})

test('certificates that are renewed under load fail no connection', async () => {
  const long = await node.dial(pods.client, VIP, 80)
  const renewed = (): number => node.control.asked.filter((id) => id.endsWith('/sa/client')).length
  const from = renewed()
  let served = 0
  const failures: unknown[] = []
  const load = Array.from({ length: 4 }, async () => {
    while (renewed() < from + 3) {
      try {
        expect(await say(`hello ${served}`)).toMatch(/^hello/)
        served++
      } catch (cause) {
        failures.push(cause)
      }
    }
  })
  await Promise.all(load)
  expect([failures, served > 20]).toEqual([[], true])
  long.end('the connection of before')
  expect(await textOf(long)).toBe('the connection of before')
})

test('a CA that is gone until certificates expire: what is open and what is plain go on, the rest waits for its return', async () => {
  const early = await node.dial(pods.client, VIP, 80)
  early.write('1')
  await once(early, 'data')
  node.control.answer = () => Promise.resolve('refuse')
  await waitFor('the certificate to be lost', () => stateOf('client').startsWith('Unavailable'), {
    deadlineMs: 30_000,
  })
  const waiting = say('patient')
  early.end('2')
  expect(await textOf(early)).toBe('2')
  const plain = pods.home.listen(9000)
  expect(await say('in the clear', pods.home.ip, 9000)).toBe('in the clear')
  plain.close()
  node.control.answer = () => Promise.resolve('issue')
  expect(await waiting).toBe('patient')
  expect(stateOf('client')).toBe('Available')
})

test('a control plane that is gone: what is known stays in force, and what changed meanwhile comes with its return', async () => {
  await node.control.stop()
  expect(await say('nobody tells')).toBe('nobody tells')
  const closed = { ...policyOf('nobody'), rules: [] }
  node.restrict([closed])
  await node.control.start()
  onTestFinished(() => node.restrict([], [closed]))
  await policiesAre(1)
  expect(await said('again')).toBe('ECONNRESET')
  await node.logged('connection complete', { policy: 'shop/nobody', reason: 'NO_ALLOW_POLICY_MATCHED' })
  node.restrict([], [closed])
  await policiesAre(0)
  expect(await said('again')).toBe('again')
})

test('what breaks a rule is refused by name, the last good stays, and what came along is taken', async () => {
  const before = node.control.nacks
  const fine = pod('fine')
  onTestFinished(() => {
    node.push(web)
    node.withdraw(fine)
  })
  node.push({ ...web, addresses: ['10.0.0.77'], services: { 'no-slash': [] } }, fine)
  await waitFor('the refusal', () => node.control.nacks > before)
  expect(await node.logged('xds resources refused', { reason: 'RESOURCE_INVALID' })).toMatchObject({
    error: expect.stringContaining(web.uid) as unknown,
  })
  expect(await said('still known')).toBe('still known')
  expect(dumped().workloads).toContainEqual(expect.objectContaining({ uid: fine.uid }))
})

test('a server that speaks first is heard first', async () => {
  const server = pods.web.listen(8081, (socket) => socket.end('220 welcome\r\n'))
  const [viaTunnel, direct] = await Promise.all([
    node.dial(pods.client, '10.0.0.2', 8081).then(textOf),
    node.dial(pods.home, '10.0.0.2', 8081).then(textOf),
  ])
  expect([viaTunnel, direct]).toEqual(['220 welcome\r\n', '220 welcome\r\n'])
  server.close()
})

test('out of descriptors it waits without a spin, and serves who waited once there are some', async () => {
  const limit = (soft: number | string): void =>
    void execFileSync('prlimit', [`--pid=${node.pid}`, `--nofile=${soft}:`])
  const [, before = ''] = /Max open files\s+(\d+)/.exec(limitsOf(node.pid)) ?? []
  limit(16)
  onTestFinished(() => limit(before))
  const waiting = await Promise.all(Array.from({ length: 10 }, () => node.dial(pods.client, VIP, 80)))
  const answers = waiting.map((socket) => textOf(socket.end('later')))
  await node.rest()
  limit(before)
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, () => 'later'))
})

test('a pod that goes under load takes its own connections along and nobody else’s; another takes over its address', async () => {
  const first = pod('first', { ...ON_NODE, addresses: ['10.0.0.3'], serviceAccount: 'first' })
  node.push(first)
  await node.enrol(pods.fresh, first)
  await isKnown(first)
  pods.fresh.listen(8080)
  const dials = Array.from({ length: 20 }, () => node.dial(pods.client, '10.0.0.3', 8080))
  const sockets = await Promise.all(dials)
  for (const socket of sockets) socket.write('x')
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  const other = await node.dial(pods.client, VIP, 80)
  const ends = sockets.map(outcomeOf)
  await node.leave(first)
  expect(new Set(await Promise.all(ends))).toEqual(new Set(['ECONNRESET']))
  other.end('untouched')
  expect(await textOf(other)).toBe('untouched')
  node.withdraw(first)
  const second = { ...pod('second', { ...ON_NODE, addresses: ['10.0.0.3'] }), serviceAccount: 'second' }
  node.push(second)
  await node.enrol(pods.fresh, second)
  await isKnown(second)
  expect(await say('who is there', '10.0.0.3', 8080)).toBe('who is there')
  expect(
    await node.logged('connection complete', { 'dst.workload': 'second', direction: 'inbound' }),
  ).toMatchObject({
    'dst.identity': 'spiffe://cluster.local/ns/shop/sa/second',
  })
  await node.leave(second)
  node.withdraw(second)
  pods.fresh.closeServers()
})

test('five thousand connections at once are all served, in bounded memory', async () => {
  const all = 5000
  const sockets: net.Socket[] = []
  while (sockets.length < all) {
    const batch = await Promise.all(Array.from({ length: BATCH }, () => node.dial(pods.client, VIP, 80)))
    await Promise.all(batch.map((socket) => hears(socket, 'first')))
    sockets.push(...batch)
  }
  await Promise.all(sockets.map((socket, n) => hears(socket, `${n}`)))
  const { rssBytes } = await node.rest()
  process.stdout.write(
    `5,000 connections: ${((rssBytes - base.rssBytes) / all / 1024).toFixed(0)} KiB each\n`,
  )
  expect(rssBytes - base.rssBytes).toBeLessThan(all * 64 * 1024)
  for (const socket of sockets) socket.destroy()
  // Both ends of each pooled session stay for those who come next.
  base = { ...base, descriptors: base.descriptors + (2 * all) / STREAMS_A_SESSION }
})

/** Says something and hears it back. */
async function hears(socket: net.Socket, text: string): Promise<void> {
  const heard = once(socket, 'data')
  socket.write(text)
  expect(String((await heard)[0])).toBe(text)
}

async function isKnown({ uid }: Workload): Promise<void> {
  await everywhere(`${uid} to be known`, ({ workloads }) =>
    workloads.some((each) => 'uid' in each && each.uid === uid),
  )
}

async function policiesAre(count: number): Promise<void> {
  await everywhere(`${count} policies to be known`, ({ policies }) => policies.length === count)
}

/** Waits until the node has been told of something, each of its threads included. */
async function everywhere(what: string, isTold: (dump: ReturnType<typeof dumped>) => boolean): Promise<void> {
  await waitFor(what, () => isTold(dumped()))
  // Threads answer in order: what they say now comes after what they were told.
  dumped()
}

async function said(text: string): Promise<string> {
  const socket = await node.dial(pods.client, VIP, 80)
  const outcome = outcomeOf(socket)
  const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))))
  socket.write(text)
  const first = await Promise.race([outcome, answer])
  socket.destroy()
  return first
}

function policyOf(name: string) {
  return { name, namespace: 'shop', scope: 'namespace', action: 'allow', dryRun: false, rules: [] } as const
}

function dumped() {
  return JSON.parse(node.get(15_000, '/config_dump')) as {
    readonly certificates: { readonly identity: string; readonly state: string }[]
    readonly workloads: object[]
    readonly policies: object[]
  }
}

/** Every identity and how its certificate is. */
function states(): readonly (readonly [identity: string, state: string])[] {
  return dumped().certificates.map(({ identity, state }) => [identity, state])
}

function stateOf(account: string): string {
  return states().find(([id]) => id.endsWith(`/sa/${account}`))?.[1] ?? 'unknown'
}

function limitsOf(pid: number): string {
  return readFileSync(`/proc/${pid}/limits`, 'utf8')
}
