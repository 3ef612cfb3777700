/** Policies that change while connections are open: who is cut, who is not, how soon, and what the dump says of the rest. */
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import type { AuthorizationPolicy } from '@ambient/policy'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { dialHbone, type HboneClient, type TunnelAnswer } from './hbone-peer.ts'
import { pod } from './mesh-fixture.ts'
import { outcomeOf, openPods } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const APP = '10.0.0.2:8080'
const TRIES = 20
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const other = pod('other', { addresses: ['10.0.0.1'], serviceAccount: 'other' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web' })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
let clientPeer: HboneClient
let otherPeer: HboneClient

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1' },
    { name: 'web', ip: '10.0.0.2', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open()
  mesh.know(client)
  await mesh.enrol(pods.web, web)
  pods.web.listen(8080)
  const dial = { pod: pods.client, loop: mesh.loop }
  clientPeer = await dialHbone(dial, '10.0.0.2', await mesh.certificate(client))
  otherPeer = await dialHbone(dial, '10.0.0.2', await mesh.certificate(other))
})
afterAll(() => {
  clientPeer[Symbol.dispose]()
  otherPeer[Symbol.dispose]()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})

const policy = (name: string, over: Partial<AuthorizationPolicy> = {}): AuthorizationPolicy => ({
  name,
  namespace: 'shop',
  scope: 'namespace',
  action: 'allow',
  dryRun: false,
  rules: [],
  ...over,
})
const byAccount = (name: string, action: 'allow' | 'deny', account: string): AuthorizationPolicy =>
  policy(name, {
    action,
    rules: [[[{ principals: [{ kind: 'exact', value: `cluster.local/ns/shop/sa/${account}` }] }]]],
  })

/** In force until the test ends. */
function restrict(...policies: readonly AuthorizationPolicy[]): void {
  mesh.restrict(policies)
  onTestFinished(() => mesh.restrict([], policies))
}

async function talk({ stream }: Pick<TunnelAnswer, 'stream'>, word: string): Promise<void> {
  stream.write(word)
  expect(String((await once(stream, 'data'))[0])).toBe(word)
}

async function openTunnel(peer: HboneClient): Promise<TunnelAnswer> {
  const tunnel = await peer.connect(APP)
  expect(tunnel.status).toBe(200)
  await talk(tunnel, 'hello')
  return tunnel
}

async function openPlain(): Promise<Socket> {
  const socket = await pods.client.dial(mesh.loop, '10.0.0.2', 8080)
  socket.write('plain')
  await once(socket, 'data')
  return socket
}

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test('a policy that comes cuts the connections that it would not let in within 100 ms, and no other', async () => {
  const kept = await openTunnel(otherPeer)
  const plain = await openPlain()
  const deny = byAccount('no-client', 'deny', 'client')
  const tookMs: number[] = []
  for (let n = 0; n < TRIES; n++) {
    const { stream } = await openTunnel(clientPeer)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    const fromMs = performance.now()
    mesh.restrict([deny])
    await closed
    tookMs.push(performance.now() - fromMs)
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CONNECT_ERROR)
    expect(await mesh.logged('connection complete', { reason: 'POLICY_CHANGED' })).toMatchObject({
      direction: 'inbound',
      error: 'connection closed due to policy change: explicitly denied by: shop/no-client',
      policy: 'shop/no-client',
      'src.identity': 'spiffe://cluster.local/ns/shop/sa/client',
    })
    expect((await clientPeer.connect(APP)).status).toBe(401)
    mesh.restrict([], [deny])
  }
  const [median, worst] = [medianOf(tookMs), Math.max(...tookMs)]
  process.stdout.write(
    `policy to cut: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms of ${TRIES}\n`,
  )
  expect(median).toBeLessThan(300)
  await talk(kept, 'still here')
  plain.write('me too')
  await once(plain, 'data')
  kept.stream.destroy()
  plain.destroy()
})

test('a policy that is taken on by the workload, and a strict one, cut what is open as well', async () => {
  const strict = policy('strict', {
    namespace: 'istio-system',
    scope: 'workload-selector',
    action: 'deny',
    rules: [[[{ notPrincipals: [{ kind: 'presence' }] }]]],
  })
  restrict(strict)
  const kept = await openTunnel(clientPeer)
  const plain = await openPlain()
  const ended = outcomeOf(plain)
  mesh.know({ ...web, authorizationPolicies: ['istio-system/strict'] })
  onTestFinished(() => mesh.know(web))
  expect(await ended).toBe('ECONNRESET')
  await mesh.logged('connection complete', { reason: 'POLICY_CHANGED', policy: 'istio-system/strict' })
  await talk(kept, 'proved who I am')
  kept.stream.destroy()
})

test('a policy that is named and has not come lets nobody in; when it comes, it decides', async () => {
  mesh.know({ ...web, authorizationPolicies: ['shop/late'] })
  onTestFinished(() => mesh.know(web))
  expect((await clientPeer.connect(APP)).status).toBe(401)
  await mesh.logged('connection complete', { reason: 'POLICY_UNKNOWN', policy: 'shop/late' })
  restrict({ ...byAccount('late', 'allow', 'client'), scope: 'workload-selector' })
  const tunnel = await openTunnel(clientPeer)
  expect((await otherPeer.connect(APP)).status).toBe(401)
  await mesh.logged('connection complete', { reason: 'NO_ALLOW_POLICY_MATCHED', policy: 'shop/late' })
  tunnel.stream.destroy()
})

test('a dry run cuts nobody, and says whom it would', async () => {
  const tunnel = await openTunnel(clientPeer)
  restrict({ ...byAccount('trial', 'deny', 'client'), dryRun: true })
  await talk(tunnel, 'as before')
  const { stream } = await openTunnel(clientPeer)
  expect(await mesh.logged('dry-run policy would deny', { policy: 'shop/trial' })).toMatchObject({
    'src.identity': 'spiffe://cluster.local/ns/shop/sa/client',
    'dst.addr': APP,
  })
  tunnel.stream.destroy()
  stream.destroy()
})

test('what is open is described with its age, bytes, identities and the policy that admitted it', async () => {
  restrict(byAccount('clients', 'allow', 'client'))
  const tunnel = await openTunnel(clientPeer)
  await waitFor('its age to grow', () => (only()?.ageMs ?? 0) > 0)
  expect(only()).toEqual({
    direction: 'inbound',
    src: expect.stringMatching(/^10\.0\.0\.1:\d+$/) as unknown,
    originalDst: APP,
    actualDst: '10.0.0.2:15008',
    protocol: 'HBONE',
    sourceIdentity: 'spiffe://cluster.local/ns/shop/sa/client',
    destinationIdentity: 'spiffe://cluster.local/ns/shop/sa/web',
    admittedBy: 'shop/clients',
    ageMs: expect.any(Number) as unknown,
    sentBytes: 5,
    receivedBytes: 5,
  })
  tunnel.stream.close()
  await waitFor('it to end', () => only() === undefined)
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))

function only() {
  const all = mesh.describe().pods[web.uid] ?? []
  expect(all.length).toBeLessThan(2)
  return all[0]
}
