/** A ztunnel that was killed comes back on a node with many pods. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Workload } from '@ambient/model'
import { closeDescriptor, openFile } from '@ambient/linux'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { openPods } from './pod-net.ts'
import { TestNode } from './test-node.ts'

requireRoot()

const VIP = '10.96.0.1'
const PODS = 100
const TRIES = 20
const GOAL_CPU_MS = 1000
const PATIENCE = { everyMs: 5, deadlineMs: 60_000 }
const ON_NODE: Partial<Workload> = { node: 'node1' }
const web = pod('web', {
  ...ON_NODE,
  addresses: ['10.0.0.2'],
  serviceAccount: 'web',
  ...serves('web', [80, 8080]),
})
const client = pod('client', { ...ON_NODE, addresses: ['10.0.0.1'], serviceAccount: 'client' })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })
const others = Array.from({ length: PODS - 2 }, (_, n) =>
  pod(`other-${n}`, {
    ...ON_NODE,
    addresses: [`10.1.${n >> 6}.${(n & 63) + 1}`],
    serviceAccount: `other-${n}`,
  }),
)

let pods: Awaited<ReturnType<typeof open>>
let node: TestNode

async function open() {
  return openPods([
    { name: 'home', ip: '10.0.255.1' },
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  node = await TestNode.open(pods.home, { ISTIO_META_DNS_CAPTURE: 'true' })
  node.push(webService, web, client, ...others)
  pods.web.listen(8080)
  await node.kill()
  for (const [n, netns] of (await bareNamespaces(others.length)).entries()) {
    const workload = others[n]
    if (workload !== undefined) node.hold(netns, workload)
    closeDescriptor(netns)
  }
  // The agent names pods in the order in which it came to know them: these are the last.
  node.hold(pods.web.netns.fd, web)
  node.hold(pods.client.netns.fd, client)
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  pods[Symbol.dispose]()
})

/** Network namespaces that nothing is in, as open files. */
async function bareNamespaces(count: number): Promise<readonly number[]> {
  const script = `mkdir -p /run/netns; mount -t tmpfs none /run/netns
seq ${count} | sed 's/.*/netns add bare-&/' | ip -batch -
echo made; exec cat`
  const maker = spawn('unshare', ['--mount', '--', 'sh', '-ec', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(maker.stdout, 'data')
  const made = Array.from({ length: count }, (_, n) =>
    openFile(`/proc/${maker.pid}/root/run/netns/bare-${n + 1}`),
  )
  maker.stdin.end()
  await once(maker, 'exit')
  return made
}

test('killed on a node of a hundred pods, its first new byte comes soon after its start', async () => {
  onTestFinished(node.turning())
  const tookMs: number[] = []
  const cpuMs: number[] = []
  for (let n = 0; n < TRIES; n++) {
    const fromMs = performance.now()
    node.start()
    await waitFor('the first answer', isAnswered, PATIENCE)
    tookMs.push(performance.now() - fromMs)
    cpuMs.push(node.cpuMs())
    await node.kill()
  }
  const text = `median ${medianOf(tookMs).toFixed(0)} ms, worst ${Math.max(...tookMs).toFixed(0)} ms of ${TRIES}`
  process.stdout.write(`start to first byte with ${PODS} pods: ${text}; CPU ${medianOf(cpuMs)} ms\n`)
  // How long it takes on a machine that does much else says nothing of it; what it has to compute does.
  expect(medianOf(cpuMs)).toBeLessThan(3 * GOAL_CPU_MS)
}, 600_000)

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** An app of the last pod that the agent names connects: whether somebody answers. */
async function isAnswered(): Promise<boolean> {
  const socket = await node.dial(pods.client, VIP, 80)
  if (socket.destroyed) return false
  socket.write('x')
  const answered = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
  socket.destroy()
  return answered
}
