/** Certificates that their issuers take back: in new handshakes and under open connections, both ways. */
import { type IssuedCertificate, requireRoot, type TestCa, testCa, waitFor } from '@ambient/testkit'
import { spiffeId } from '@ambient/spiffe'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { dialHbone, echoTunnel, type HbonePeer, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { echo, openPods, outcomeOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web' })
const far = pod('far', { addresses: ['10.0.0.3'], serviceAccount: 'far', ...serves('far', [80, 8080]) })
const farService = service('far', { addresses: [at('10.96.0.1')], ports: [port(80, 8080)] })
const REVOKED = {
  error: 'connection closed: peer certificate revoked by CRL',
  reason: 'CERTIFICATE_REVOKED',
}

let pods: Awaited<ReturnType<typeof open>>
let root: TestCa
let below: TestCa
let mesh: TestMesh
let peer: HbonePeer
let certificate: IssuedCertificate

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1' },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'far', ip: '10.0.0.3' },
  ])
}

beforeAll(async () => {
  pods = await open()
  root = await testCa()
  below = await root.intermediate()
  mesh = await TestMesh.open({ network: '' }, { ca: root })
  mesh.know(client, far, farService)
  await mesh.enrol(pods.web, web)
  pods.web.listen(8080, echo)
  certificate = await below.issue({ uris: [spiffeId(far)] })
  peer = serveHbonePeer(pods.far, certificate, echoTunnel)
})
afterAll(() => {
  peer.close()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})
beforeEach(async () => {
  mesh.lines.length = 0
  await inForce(root, [])
})

/** Puts a list of what `ca` takes back in the place of those before. */
async function inForce(ca: TestCa, revoked: Parameters<TestCa['revocationList']>[0]): Promise<void> {
  const file = Buffer.from(await ca.revocationList(revoked))
  mesh.plane.handle({ kind: 'revocation-lists', file })
}

test('a client whose certificate is revoked is refused, and others are not', async () => {
  const [bad, good] = [await mesh.certificate(client), await mesh.certificate(client)]
  await inForce(root, [bad])
  const before = mesh.counted('istio_crl_policy_rejections_total', 'destination')
  const refused = await dialHbone({ pod: pods.client, loop: mesh.loop }, '10.0.0.2', bad)
  onTestFinished(() => refused[Symbol.dispose]())
  expect(await mesh.logged('connection failed', { reason: REVOKED.reason })).toMatchObject({
    direction: 'inbound',
    error: expect.stringContaining('revoked by CRL') as unknown,
  })
  using served = await dialHbone({ pod: pods.client, loop: mesh.loop }, '10.0.0.2', good)
  expect((await served.connect('10.0.0.2:8080')).status).toBe(200)
  await waitFor(
    'it to be counted once',
    () => mesh.counted('istio_crl_policy_rejections_total', 'destination') === before + 1,
  )
})

test('open tunnels of a client end when its certificate is revoked, and those of others go on', async () => {
  const [bad, good] = [await mesh.certificate(client), await mesh.certificate(client)]
  using cut = await dialHbone({ pod: pods.client, loop: mesh.loop }, '10.0.0.2', bad)
  using kept = await dialHbone({ pod: pods.client, loop: mesh.loop }, '10.0.0.2', good)
  await cut.connect('10.0.0.2:8080')
  const other = await kept.connect('10.0.0.2:8080')
  await inForce(root, [bad])
  expect(await mesh.logged('connection complete', REVOKED)).toMatchObject({ direction: 'inbound' })
  other.stream.write('still here')
  expect(String(await new Promise((resolve) => other.stream.once('data', resolve)))).toBe('still here')
})

test.each([
  { name: 'a server’s own certificate is revoked', lists: () => below.revocationList([certificate]) },
  { name: 'the CA above a server is revoked', lists: () => root.revocationList([below]) },
])('when $name, its open session is cut and a new one refused', async ({ lists }) => {
  const socket = await pods.web.dial(mesh.loop, '10.96.0.1', 80)
  socket.write('hello')
  expect(String(await new Promise((resolve) => socket.once('data', resolve)))).toBe('hello')
  const outcome = outcomeOf(socket)
  const file = Buffer.from(await lists())
  mesh.plane.handle({ kind: 'revocation-lists', file })
  expect(await outcome).toBe('ECONNRESET')
  expect(await mesh.logged('connection complete', REVOKED)).toMatchObject({ direction: 'outbound' })

  const again = await pods.web.dial(mesh.loop, '10.96.0.1', 80)
  expect(await outcomeOf(again)).toBe('ECONNRESET')
  expect(await mesh.logged('connection complete', REVOKED)).toMatchObject({ direction: 'outbound' })
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))
