/** A pod that the agent handed over and the control plane has not described. */
import { openDescriptors, requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dialHbone } from './hbone-peer.ts'
import { pod } from './mesh-fixture.ts'
import { outcomeOf, openPods } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const late = pod('late', { addresses: ['10.0.0.1'], serviceAccount: 'late' })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh

async function open() {
  return openPods([
    { name: 'late', ip: '10.0.0.1', redirected: true },
    { name: 'peer', ip: '10.0.0.2' },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open({}, { waitLimits: { workloadWaitMs: 200 } })
  await mesh.enrol(pods.late, late)
  pods.peer.listen(8080)
  pods.late.listen(8080)
})
afterAll(() => {
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})

test.each([
  { way: 'out', from: 'late', ip: '10.0.0.2', port: 8080, reason: 'SOURCE_UNKNOWN' },
  { way: 'in, in the clear', from: 'peer', ip: '10.0.0.1', port: 8080, reason: 'LOCAL_WORKLOAD_UNKNOWN' },
  { way: 'in, by HBONE', from: 'peer', ip: '10.0.0.1', port: 15_008, reason: 'LOCAL_WORKLOAD_UNKNOWN' },
] as const)('its connections $way wait, then are refused for $reason', async ({ from, ip, port, reason }) => {
  mesh.forget(late)
  const before = openDescriptors()
  expect(await outcomeOf(await pods[from].dial(mesh.loop, ip, port))).toBe('ECONNRESET')
  const error = 'failed to fetch information about local workload: shop/late'
  await mesh.logged('connection failed', { reason, error })
  await mesh.quiet(before)
})

test('its connections that still wait are served when it is described', async () => {
  mesh.forget(late)
  const socket = await pods.late.dial(mesh.loop, '10.0.0.2', 8080)
  const echoed = new Promise((resolve) => socket.once('data', (data) => resolve(String(data))))
  socket.write('who am I?')
  mesh.know(late)
  expect(await echoed).toBe('who am I?')
  socket.destroy()
  const certificate = await mesh.certificate(pod('peer', { addresses: ['10.0.0.2'], serviceAccount: 'peer' }))
  using tunnels = await dialHbone({ pod: pods.peer, loop: mesh.loop }, '10.0.0.1', certificate)
  expect((await tunnels.connect('10.0.0.1:8080')).status).toBe(200)
  expect(mesh.faults).toEqual([])
})
