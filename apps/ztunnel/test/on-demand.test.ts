/** A mesh that is known on demand only: the test is the control plane. */
import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { WorkerReport } from '../src/worker/messages.ts'
import { dialHbone, echoTunnel, type HbonePeer, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { echo, openPods, outcomeOf, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const WAYPOINT: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint' },
  hboneMtlsPort: 15_008,
}
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web', services: { 'shop/named': [] } })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)], waypoint: WAYPOINT })
const waypoint = service('waypoint', { ports: [port(15_008, 15_008)] })
const waypointPod = pod('waypoint-1', {
  addresses: ['10.0.0.3'],
  serviceAccount: 'waypoint',
  ...serves('waypoint', [15_008, 15_008]),
})

/** What the control plane has, by the name it can be asked for. */
const content = new Map<string, readonly (Workload | Service)[]>()
let isAway = false
const asked: string[] = []

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
let peer: HbonePeer

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'waypoint', ip: '10.0.0.3' },
    { name: 'outside', ip: '10.0.0.4' },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open({ isOnDemand: true }, { onReport: answer, waitLimits: { addressWaitMs: 500 } })
  await mesh.enrol(pods.client, client)
  await mesh.enrol(pods.web, web)
  peer = serveHbonePeer(pods.waypoint, await mesh.certificate(waypointPod), echoTunnel)
  pods.web.listen(8080, echo)
  pods.outside.listen(8080, echo)
})
afterAll(() => {
  peer.close()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})
beforeEach(() => {
  isAway = false
  asked.length = 0
  content.clear()
})

function answer(report: WorkerReport): void {
  if (report.kind !== 'need-addresses') return
  asked.push(...report.names)
  if (isAway) return
  setImmediate(() => {
    for (const name of report.names) mesh.know(...(content.get(name) ?? []))
    mesh.plane.handle({ kind: 'addresses-answered', names: report.names })
  })
}

async function say(text: string, ip: string, toPort: number): Promise<string> {
  const socket = await pods.client.dial(mesh.loop, ip, toPort)
  socket.end(text)
  return textOf(socket)
}

test('an address that nobody has in the mesh is asked for once, then let through', async () => {
  const answers = Array.from({ length: 5 }, (_, i) => say(`${i}`, '10.0.0.4', 8080))
  expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', '4'])
  expect(await say('again', '10.0.0.4', 8080)).toBe('again')
  expect(asked.filter((name) => name === '/10.0.0.4')).toHaveLength(1)
})

test('a service is asked for, then its waypoint, then the connection goes there', async () => {
  content.set(`/${VIP}`, [webService])
  content.set('shop/waypoint', [waypoint, waypointPod])
  expect(await say('through the waypoint', VIP, 80)).toBe('through the waypoint')
  expect(asked).toEqual([`/${VIP}`, 'shop/waypoint'])
  expect(peer.requests.at(-1)).toMatchObject({ authority: `${VIP}:80` })
})

test('without an answer the connection is refused, and not let through in the clear', async () => {
  isAway = true
  expect(await outcomeOf(await pods.client.dial(mesh.loop, '10.0.0.9', 8080))).toBe('ECONNRESET')
  await mesh.logged('connection failed', { reason: 'DESTINATION_UNANSWERED' })
})

test('an app that gives up meanwhile is let go', async () => {
  isAway = true
  const socket = await pods.client.dial(mesh.loop, '10.0.0.8', 8080)
  await waitFor('the question', () => asked.includes('/10.0.0.8'))
  socket.resetAndDestroy()
  await mesh.logged('connection failed', { reason: 'DOWNSTREAM_CLOSED' })
})

test('inbound, the service behind a host name is asked for, and an address that is not the pod’s own', async () => {
  content.set('shop/named', [service('named', { ports: [port(80, 8080)] })])
  using tunnels = await dialHbone(
    { pod: pods.waypoint, loop: mesh.loop },
    '10.0.0.2',
    await mesh.certificate(waypointPod),
  )
  const byName = await tunnels.connect('named:80')
  byName.stream.end('by name')
  expect([byName.status, await textOf(byName.stream)]).toEqual([200, 'by name'])
  expect((await tunnels.connect('10.0.0.77:80')).status).toBe(400)
  expect(asked).toEqual(['shop/named', '/10.0.0.77'])
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))
