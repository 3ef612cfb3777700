/** Two ztunnels side by side on one node: the whole program, an agent, and pods that are under load meanwhile. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventLoop } from '@ambient/event-loop'
import { duplicateDescriptor } from '@ambient/linux'
import { parseSpiffeId } from '@ambient/spiffe'
import { keepTurning, requireRoot, waitFor } from '@ambient/testkit'
import { ZdsServer } from '@ambient/zds'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPods, outcomeOf, type TestPod } from './pod-net.ts'
import {
  openAuthority,
  START,
  startZtunnel,
  type TestAuthority,
  type ZtunnelProcess,
} from './ztunnel-process.ts'

requireRoot()

const MESH = `
workloads:
- { name: web, namespace: shop, serviceAccount: web, workloadIps: [10.0.0.1], protocol: HBONE, node: n, services: { shop/api.shop.svc.cluster.local: { 80: 8080 } } }
- { name: client, namespace: shop, serviceAccount: client, workloadIps: [10.0.0.2], protocol: HBONE, node: n }
- { name: late, namespace: shop, serviceAccount: late, workloadIps: [10.0.0.3], protocol: HBONE, node: n }
services:
- { name: api, namespace: shop, hostname: api.shop.svc.cluster.local, vips: [/10.96.0.1], ports: { 80: 8080 } }
`
const LOAD = new URL('load.ts', import.meta.url).pathname
const PATIENCE = { deadlineMs: 60_000 }

const loop = new EventLoop({
  onFault: (_owner, cause) => {
    throw cause
  },
})
const turning = keepTurning(loop)
let pods: Awaited<ReturnType<typeof open>>
let authority: TestAuthority
let directory: string
let agent: ZdsServer
let connections = 0
const refused: string[] = []
const running: ZtunnelProcess[] = []

async function open() {
  return openPods([
    { name: 'web', ip: '10.0.0.1', redirected: true },
    { name: 'client', ip: '10.0.0.2', redirected: true },
    { name: 'late', ip: '10.0.0.3', redirected: true },
    { name: 'outside', ip: '10.0.0.4' },
    { name: 'first', ip: '10.0.1.1' },
    { name: 'second', ip: '10.0.1.2' },
    { name: 'third', ip: '10.0.1.3' },
  ])
}

beforeAll(async () => {
  pods = await open()
  authority = await openAuthority(parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'))
  for (const one of [pods.first, pods.second, pods.third]) authority.offerTo(one)
  pods.web.listen(8080)
})
afterAll(async () => {
  await authority[Symbol.asyncDispose]()
  pods[Symbol.dispose]()
  turning[Symbol.dispose]()
  loop[Symbol.dispose]()
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'handover-'))
  connections = 0
  refused.length = 0
  agent = new ZdsServer(loop, {
    path: join(directory, 'ztunnel.sock'),
    onConnections: (count) => (connections = count),
    onRefused: (uid) => void refused.push(uid),
  })
  for (const one of [pods.web, pods.client]) agent.hold(asAdded(one))
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one[Symbol.asyncDispose]()))
  agent[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

function asAdded({ name, netns }: TestPod) {
  const info = { name, namespace: 'shop', serviceAccount: name }
  return { uid: `uid-${name}`, info, netns: duplicateDescriptor(netns.fd) }
}

function start(node: TestPod, env: Readonly<Record<string, string>>): ZtunnelProcess {
  const ztunnel = startZtunnel(node, authority, {
    LOCAL_XDS: MESH,
    NODE_NAME: 'n',
    INPOD_UDS: join(directory, 'ztunnel.sock'),
    CONNECTION_TERMINATION_DEADLINE: '60s',
    ...env,
  })
  running.push(ztunnel)
  return ztunnel
}

interface LoadResult {
  readonly dialled: number
  readonly answered: number
  readonly resolved: number
  readonly failures: readonly string[]
  readonly seconds: number
}

/** Connections from `pod` to web until the result is asked for. */
async function load(pod: TestPod, ...args: readonly string[]): Promise<() => Promise<LoadResult>> {
  const child = spawn(
    'nsenter',
    [`--net=${pod.path}`, '--', process.execPath, '--disable-warning=ExperimentalWarning', LOAD, ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  await once(child.stdout, 'data')
  let printed = ''
  child.stdout.on('data', (text) => (printed += String(text)))
  return async () => {
    const ended = once(child, 'close')
    child.stdin.end()
    await ended
    return JSON.parse(printed) as LoadResult
  }
}

/** A connection through the mesh that answers. */
async function dial(): Promise<Socket> {
  const socket = await pods.client.dial(loop, '10.96.0.1', 80)
  expect(await echoed(socket, 'hello')).toBe('hello')
  return socket
}

async function echoed(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(text)
  return String(await answer)
}

/** The listening sockets at a port of a pod, by inode. */
async function listening(
  pod: TestPod,
  port: number,
  kind: '-lt' | '-lu' = '-lt',
): Promise<readonly string[]> {
  const table = await pod.run(`ss ${kind}neH "sport = :${port}"`)
  return [...table.matchAll(/ino:(\d+)/g)].map(([, inode = '']) => inode).toSorted()
}

const podsOf = async (node: TestPod): Promise<readonly string[]> => {
  const dump: unknown = JSON.parse(await node.run('curl -s http://127.0.0.1:15000/config_dump'))
  return Object.keys((dump as { workloadState: object }).workloadState)
}

test('the next ztunnel takes over every listening socket under load, whatever the numbers of threads, and the one before it finishes what it has', async () => {
  const first = start(pods.first, { ZTUNNEL_WORKER_THREADS: '2' })
  await first.ready()
  const inMesh = await load(pods.client, '10.96.0.1', '80', '450', '15053')
  const plaintext = await load(pods.outside, '10.0.0.1', '8080', '100')
  const ofFirst = await dial()
  const before = await Promise.all([listening(pods.web, 15_008), listening(pods.client, 15_053, '-lu')])
  expect(before[0]).toHaveLength(2)

  const second = start(pods.second, { ZTUNNEL_WORKER_THREADS: '3', CONNECTION_TERMINATION_DEADLINE: '5s' })
  await second.ready()
  const ofSecond = await dial()
  const after = await Promise.all([listening(pods.web, 15_008), listening(pods.client, 15_053, '-lu')])
  expect([after[0].length, after[1].length]).toEqual([3, before[1].length * 1.5])
  expect([after[0], after[1]]).toEqual([
    expect.arrayContaining([...before[0]]),
    expect.arrayContaining([...before[1]]),
  ])
  expect(first.said).toContain('handed over')

  // The agent tells the newest connection of a new pod.
  expect(connections).toBe(2)
  await new Promise<void>((resolve, reject) => {
    agent.add(asAdded(pods.late), (result) =>
      result.kind === 'acked' ? resolve() : reject(new Error(JSON.stringify(result))),
    )
  })
  expect([await podsOf(pods.first), await podsOf(pods.second)]).toEqual([
    expect.not.arrayContaining(['uid-late']),
    expect.arrayContaining(['uid-late']),
  ])

  // The first one is told to end: it waits for what it has.
  const firstEnded = first.kill('SIGTERM')
  await waitFor('the agent to have one connection', () => connections === 1, PATIENCE)
  expect(await echoed(ofFirst, 'still there')).toBe('still there')
  const firstOutcome = outcomeOf(ofFirst)
  ofFirst.end()
  expect([await firstOutcome, await firstEnded]).toEqual(['end', 0])

  const third = start(pods.third, { ZTUNNEL_WORKER_THREADS: '1' })
  await third.ready()
  expect(await listening(pods.web, 15_008)).toEqual(after[0])
  const secondOutcome = outcomeOf(ofSecond)
  expect([await second.kill('SIGTERM'), await secondOutcome]).toEqual([0, 'ECONNRESET'])
  expect(await listening(pods.web, 15_008)).toEqual(after[0])
  ;(await dial()).destroy()

  const [meshResult, plainResult] = [await inMesh(), await plaintext()]
  for (const { dialled, answered, failures } of [meshResult, plainResult])
    expect({ failures, answered }).toEqual({ failures: [], answered: dialled })
  expect(meshResult.resolved).toBeGreaterThan(0)
  const rate = (meshResult.dialled + plainResult.dialled) / meshResult.seconds
  process.stdout.write(
    `handover: ${meshResult.dialled + plainResult.dialled} connections, ${rate.toFixed(0)} a second, and ${meshResult.resolved} questions of DNS, over two hand-overs: none lost\n`,
  )
}, 240_000)

test.each([
  { who: 'successor', killed: 'second' },
  { who: 'predecessor', killed: 'first' },
] as const)(
  'a $who that is killed in the middle of a hand-over leaves the pods to the other',
  async ({ killed }) => {
    const nodes = { first: start(pods.first, {}), second: undefined as ZtunnelProcess | undefined }
    await nodes.first.ready()
    // Somebody has a port of this one, so that the hand-over cannot be finished.
    const taken = pods.late.listen(15_001)
    agent.add(asAdded(pods.late), () => {})
    nodes.second = start(pods.second, {})
    await waitFor('the pods before it to be taken', () => refused.includes('uid-late'), START)

    await nodes[killed]?.kill('SIGKILL')
    const other = killed === 'first' ? nodes.second : nodes.first
    for (let i = 0; i < 20; i++) (await dial()).destroy()
    taken.close()
    await waitFor(
      'the other to serve all three',
      async () => {
        const node = killed === 'first' ? pods.second : pods.first
        return (await node.run('curl -s http://127.0.0.1:15021/healthz/ready')) === 'ready\n'
      },
      START,
    )
    for (const port of [15_001, 15_006, 15_008]) expect(await listening(pods.late, port)).toHaveLength(1)

    // And it hands over in its turn.
    await start(pods.third, {}).ready()
    await waitFor('it to have handed over', () => other.said.includes('handed over;'), START)
    expect(await other.kill('SIGTERM')).toBe(0)
    ;(await dial()).destroy()
  },
  120_000,
)
