/** What comes in at 15008 of a pod, from a peer of node:http2: real namespaces, real redirect, real TLS. */
import { once } from 'node:events'
import { decodeProxyHeader, PROXY_TLV_PEER_ID } from '@ambient/hbone'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dialHbone, type HboneClient } from './hbone-peer.ts'
import { at, pod, port, service } from './mesh-fixture.ts'
import { echo, openPods, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const CLIENT_ID = 'spiffe://cluster.local/ns/shop/sa/client'
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', {
  addresses: ['10.0.0.2'],
  serviceAccount: 'web',
  workloadName: 'web-deploy',
  canonicalName: 'web',
  services: { 'shop/web': [] },
})
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
let peer: HboneClient

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1' },
    { name: 'web', ip: '10.0.0.2', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open({ network: '' })
  mesh.know(client, webService)
  await mesh.enrol(pods.web, web)
  peer = await dialHbone({ pod: pods.client, loop: mesh.loop }, '10.0.0.2', await mesh.certificate(client))
})
afterAll(() => {
  peer[Symbol.dispose]()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})

test('a tunnel ends at the app, which sees the peer’s own address, and the answer describes the app', async () => {
  const server = pods.web.listen(8080, (socket) => socket.end(`hello ${socket.remoteAddress}`))
  const { status, headers, stream } = await peer.connect('10.0.0.2:8080', { forwarded: 'for="x";host=web' })
  expect([status, headers['baggage']]).toEqual([
    200,
    'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web-deploy,service.name=web',
  ])
  stream.end()
  expect(await textOf(stream)).toBe('hello ::ffff:10.0.0.1')
  expect(await mesh.logged('connection complete', { direction: 'inbound' })).toMatchObject({
    'src.workload': 'client',
    'src.identity': CLIENT_ID,
    'dst.hbone_addr': '10.0.0.2:8080',
    'dst.service': 'web',
  })
  server.close()
})

test('a host name ends at the port it stands for', async () => {
  const server = pods.web.listen(8080, echo)
  const { status, stream } = await peer.connect('web:80')
  stream.end('by name')
  expect([status, await textOf(stream)]).toEqual([200, 'by name'])
  server.close()
})

test.each([
  { authority: '10.0.0.2', status: 400, reason: 'AUTHORITY_INVALID' },
  { authority: '10.0.0.3:8080', status: 400, reason: 'AUTHORITY_MISMATCH' },
  { authority: '10.0.0.2:15001', status: 503, reason: 'SELF_CALL' },
  { authority: 'nobody:80', status: 503, reason: 'PORT_UNRESOLVED' },
  { authority: '10.0.0.2:1', status: 503, reason: 'CONNECT_FAILED' },
])('$authority is answered $status for $reason', async ({ authority, status, reason }) => {
  expect((await peer.connect(authority)).status).toBe(status)
  const message = reason === 'CONNECT_FAILED' ? 'connection complete' : 'connection failed'
  await mesh.logged(message, { reason })
})

test('what the session refuses by itself is logged as well', async () => {
  const stream = peer.session.request({
    ':method': 'GET',
    ':path': '/',
    ':scheme': 'https',
    ':authority': 'a:1',
  })
  stream.on('error', () => {})
  expect(await once(stream, 'response')).toContainEqual(expect.objectContaining({ ':status': 400 }))
  expect(await mesh.logged('connection failed', { reason: 'METHOD_NOT_CONNECT' })).toMatchObject({
    error: 'expected method CONNECT, got GET',
    'src.addr': expect.stringContaining('10.0.0.1:') as unknown,
  })
})

test('a peer behind another network’s gateway is known by what it says of itself, not by its address', async () => {
  const server = pods.web.listen(8080, echo)
  const { stream } = await peer.connect('10.0.0.2:8080', {
    'x-forwarded-network': 'far',
    baggage: 'k8s.cluster.name=east,k8s.namespace.name=bank,k8s.deployment.name=c1,service.name=far-client',
  })
  stream.end()
  await textOf(stream)
  expect(await mesh.logged('connection complete', { direction: 'inbound' })).toMatchObject({
    'src.workload': 'far-client',
    'src.namespace': 'shop', // it proved so
    'src.cluster': 'east',
  })
  server.close()
})

test('a PROXY tunnel goes to the app over loopback and begins with who called and for what', async () => {
  mesh.know({ ...web, applicationTunnel: { protocol: 'proxy', port: 15_088 } })
  const received: Buffer[] = []
  const server = pods.web.listen(15_088, (socket) => {
    expect([socket.localAddress, socket.remoteAddress]).toEqual(['::ffff:127.0.0.1', '::ffff:127.0.0.1'])
    socket.on('data', (part: Buffer) => received.push(part))
    socket.on('end', () => socket.end('done'))
  })
  const { status, stream } = await peer.connect(`${VIP}:80`)
  stream.end('what the client said')
  expect([status, await textOf(stream)]).toEqual([200, 'done'])
  const bytes = Buffer.concat(received)
  const header = decodeProxyHeader(bytes)
  if (header.kind !== 'done') throw new Error('a whole PROXY header was expected')
  expect(header.value).toEqual({
    addresses: {
      source: { ip: '10.0.0.1', port: expect.any(Number) as unknown },
      destination: { ip: VIP, port: 80 },
    },
    tlvs: [{ type: PROXY_TLV_PEER_ID, value: Buffer.from(CLIENT_ID) }],
  })
  expect(String(bytes.subarray(header.consumed))).toBe('what the client said')
  server.close()
  mesh.know(web)
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))
