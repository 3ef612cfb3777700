/** Peers that are not who they should be, or do not do what they should: refused, named by code, and nothing kept. */
import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import tls from 'node:tls'
import { hboneLimits } from '@ambient/hbone'
import type { Workload } from '@ambient/model'
import type { ReasonCode } from '@ambient/telemetry'
import { type IssueRequest, openDescriptors, requireRoot, testCa, waitFor } from '@ambient/testkit'
import { liveTlsObjects } from '@ambient/tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dialHbone, echoTunnel, pemOf, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { outcomeOf, openPods } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const CLIENT = 'spiffe://cluster.local/ns/shop/sa/client'
const WEB = 'spiffe://cluster.local/ns/shop/sa/web'
const HOUR_MS = 3_600_000
/** Of the hasty ones: enough for a handshake on a busy machine, and little to wait for. */
const HANDSHAKE_MS = 1500
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web' })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
/** Another thread’s, with less patience. */
let hasty: TestMesh
let before: ReadonlyMap<number, string>
let connectionsBefore: number
/** Those of one identity for each redirected pod, made when it is first needed. */
let mostContexts: number

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'stranger', ip: '10.0.0.3' },
    { name: 'hastyClient', ip: '10.0.0.4', redirected: true },
    { name: 'hastyWeb', ip: '10.0.0.5', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  mostContexts = liveTlsObjects().contexts + 4
  mesh = await TestMesh.open()
  hasty = await TestMesh.open({}, { ca: mesh.ca, limits: hboneLimits({ handshakeMs: HANDSHAKE_MS }) })
  await mesh.enrol(pods.client, client)
  await mesh.enrol(pods.web, web)
  await hasty.enrol(pods.hastyClient, { ...client, addresses: ['10.0.0.4'] })
  await hasty.enrol(pods.hastyWeb, { ...web, addresses: ['10.0.0.5'] })
  for (const each of [mesh, hasty])
    each.know(service('remote', { addresses: [at('10.96.0.1')], ports: [port(80, 8080)] }))
})
afterAll(() => {
  mesh[Symbol.dispose]()
  hasty[Symbol.dispose]()
  pods[Symbol.dispose]()
})
beforeEach(() => {
  mesh.lines.length = 0
  hasty.lines.length = 0
  before = openDescriptors()
  connectionsBefore = liveTlsObjects().connections
})
afterEach(async () => {
  await mesh.quiet(before)
  await hasty.quiet(before)
  const { connections, contexts } = liveTlsObjects()
  expect(connections).toBe(connectionsBefore)
  expect(contexts).toBeLessThanOrEqual(mostContexts)
})

interface Bad {
  readonly who: string
  readonly request: IssueRequest
  readonly foreign?: boolean
  readonly reason: ReasonCode
  readonly detail: RegExp
}

const past = { notBefore: new Date(Date.now() - 2 * HOUR_MS), notAfter: new Date(Date.now() - HOUR_MS) }
const ahead = { notBefore: new Date(Date.now() + HOUR_MS) }

/** As either side presents it; `id` is who it should be. */
const certificates = (id: string): readonly Bad[] => [
  {
    who: 'has expired',
    request: { uris: [id], ...past },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /certificate has expired/,
  },
  {
    who: 'is of tomorrow',
    request: { uris: [id], ...ahead },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /certificate is not yet valid/,
  },
  {
    who: 'is of another CA',
    request: { uris: [id] },
    foreign: true,
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /issuer certificate|self-signed/,
  },
  {
    who: 'names two',
    request: { uris: [id, 'spiffe://cluster.local/ns/shop/sa/admin'] },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /./,
  },
  {
    who: 'names nobody',
    request: { dnsNames: ['web.shop'] },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /./,
  },
  {
    who: 'names no workload',
    request: { uris: ['https://web.shop/'] },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /./,
  },
]

const asClient: readonly Bad[] = [
  ...certificates(CLIENT),
  {
    who: 'is for servers only',
    request: { uris: [CLIENT], eku: 'server' },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /unsuitable certificate purpose/,
  },
  {
    who: 'is of another trust domain',
    request: { uris: ['spiffe://elsewhere/ns/shop/sa/client'] },
    reason: 'TRUST_DOMAIN_MISMATCH',
    detail: /elsewhere/,
  },
]

const asServer: readonly Bad[] = [
  ...certificates(WEB),
  {
    who: 'is for clients only',
    request: { uris: [WEB], eku: 'client' },
    reason: 'PEER_CERTIFICATE_INVALID',
    detail: /unsuitable certificate purpose/,
  },
  {
    who: 'is somebody else’s',
    request: { uris: ['spiffe://cluster.local/ns/shop/sa/other'] },
    reason: 'PEER_IDENTITY_MISMATCH',
    detail: /expected spiffe:.*\/web, peer is spiffe:.*\/other/,
  },
  {
    who: 'is of another trust domain',
    request: { uris: ['spiffe://elsewhere/ns/shop/sa/web'] },
    reason: 'PEER_IDENTITY_MISMATCH',
    detail: /elsewhere/,
  },
]

/** A connection of `stranger` to 15008 of the pod, in TLS of a taste of its own. */
async function knock(options: tls.ConnectionOptions, ip = '10.0.0.2'): Promise<tls.TLSSocket> {
  const socket = await pods.stranger.dial(mesh.loop, ip, 15_008)
  const secure = tls.connect({
    socket,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
    ...options,
  })
  secure.on('error', () => {})
  secure.on('close', () => socket.destroy())
  return secure
}

/** Resolves when the other side has ended it, however it did; then so do we. */
async function closed(socket: net.Socket): Promise<void> {
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve).resume())
  socket.destroy()
}

/** Node sends along what it knows to be the root, so it is told of ours. */
async function certificateOf({ request, foreign }: Bad) {
  if (foreign !== true) return mesh.ca.issue(request)
  return { ...(await (await testCa('foreign')).issue(request)), rootsPem: mesh.ca.rootPem }
}

describe('a client', () => {
  test.each(asClient)('whose certificate $who is refused for $reason', async (bad) => {
    const secure = await knock(pemOf(await certificateOf(bad)))
    await closed(secure)
    const line = await mesh.logged('connection failed', { direction: 'inbound', reason: bad.reason })
    expect(line['error']).toMatch(bad.detail)
    expect(line['src.addr']).toContain('10.0.0.3:')
  })

  test.each<{ who: string; options: tls.ConnectionOptions; reason: ReasonCode; anonymous?: boolean }>([
    { who: 'without a certificate', options: {}, reason: 'PEER_CERTIFICATE_MISSING', anonymous: true },
    { who: 'of TLS 1.2', options: { maxVersion: 'TLSv1.2' }, reason: 'TLS_FAILED' },
    { who: 'that speaks HTTP/1.1', options: { ALPNProtocols: ['http/1.1'] }, reason: 'TLS_FAILED' },
    { who: 'that says nothing of HTTP/2', options: { ALPNProtocols: [] }, reason: 'TLS_FAILED' },
  ])('$who is refused for $reason', async ({ options, reason, anonymous }) => {
    const own = anonymous === true ? {} : pemOf(await mesh.certificate(client))
    await closed(await knock({ ...own, ...options }))
    await mesh.logged('connection failed', { direction: 'inbound', reason })
  })

  test.each<{ who: string; says: string; reason: ReasonCode }>([
    { who: 'that says nothing', says: '', reason: 'TLS_TIMEOUT' },
    {
      who: 'that begins a handshake and stops',
      says: '\u0016\u0003\u0001\u0001\u0000\u0001',
      reason: 'TLS_TIMEOUT',
    },
    { who: 'that speaks something else', says: 'GET / HTTP/1.1\r\n\r\n', reason: 'TLS_FAILED' },
  ])('$who is refused for $reason', async ({ says, reason }) => {
    const socket = await pods.stranger.dial(mesh.loop, '10.0.0.5', 15_008)
    socket.write(says, 'latin1')
    await closed(socket)
    await hasty.logged('connection failed', { direction: 'inbound', reason })
  })

  test('that does not begin to speak HTTP/2 is refused for H2_FAILED', async () => {
    await closed(await knock(pemOf(await mesh.certificate(client)), '10.0.0.5'))
    await hasty.logged('connection failed', { direction: 'inbound', reason: 'H2_FAILED' })
  })

  test('that breaks HTTP/2 is refused for H2_FAILED', async () => {
    const secure = await knock(pemOf(await mesh.certificate(client)))
    secure.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    // A DATA frame of stream 1, which nobody has opened.
    secure.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]))
    await closed(secure)
    await mesh.logged('connection failed', { direction: 'inbound', reason: 'H2_FAILED' })
  })

  test('that hangs up after a hundred handshakes, each begun and left, leaves nothing', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 100 }, () => pods.stranger.dial(mesh.loop, '10.0.0.2', 15_008)),
    )
    for (const socket of sockets) socket.write('\u0016\u0003\u0001\u0001', 'latin1')
    for (const [n, socket] of sockets.entries()) {
      if (n % 2 === 0) socket.resetAndDestroy()
      else socket.destroy()
    }
    await waitFor('all to be told of', () => mesh.lines.filter(isRefusal).length === 100)
    expect(new Set(mesh.lines.filter(isRefusal).map(({ fields }) => fields['reason']))).toEqual(
      new Set(['TLS_FAILED']),
    )
  })
})

describe('a server', () => {
  /** An endpoint that no test before has met. */
  function endpoint(): Workload {
    const made = pod(`remote-${++endpoints}`, {
      addresses: ['10.0.0.3'],
      serviceAccount: 'web',
      ...serves('remote', [80, 8080]),
    })
    for (const each of [mesh, hasty]) each.know(made)
    return made
  }
  let endpoints = 0

  test.each(asServer)('whose certificate $who gets no byte: $reason', async (bad) => {
    const peer = serveHbonePeer(pods.stranger, await certificateOf(bad), echoTunnel)
    const remote = endpoint()
    expect(await outcomeOf(await pods.client.dial(mesh.loop, '10.96.0.1', 80))).toBe('ECONNRESET')
    const line = await mesh.logged('connection complete', { direction: 'outbound', reason: bad.reason })
    expect(line['error']).toMatch(bad.detail)
    expect(peer.requests).toEqual([])
    for (const each of [mesh, hasty]) each.forget(remote)
    peer.close()
  })

  test.each<{ who: string; serve: () => Promise<net.Server>; reason: ReasonCode }>([
    {
      who: 'of TLS 1.2',
      serve: () => listenTls({ maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }),
      reason: 'TLS_FAILED',
    },
    { who: 'of HTTP/1.1', serve: () => listenTls({ ALPNProtocols: ['http/1.1'] }), reason: 'TLS_FAILED' },
    {
      who: 'that does not begin to speak HTTP/2',
      serve: () => listenTls({ ALPNProtocols: ['h2'] }),
      reason: 'H2_FAILED',
    },
    {
      who: 'that says nothing',
      serve: async () => pods.stranger.listen(15_008, untilItsEnd),
      reason: 'TLS_TIMEOUT',
    },
    {
      who: 'that speaks something else',
      serve: async () => pods.stranger.listen(15_008, (socket) => socket.end('220 welcome\r\n')),
      reason: 'TLS_FAILED',
    },
  ])('$who is given up: $reason', async ({ serve, reason }) => {
    const server = await serve()
    const remote = endpoint()
    expect(await outcomeOf(await pods.hastyClient.dial(hasty.loop, '10.96.0.1', 80))).toBe('ECONNRESET')
    await hasty.logged('connection complete', { direction: 'outbound', reason })
    for (const each of [mesh, hasty]) each.forget(remote)
    server.close()
  })

  async function listenTls(options: tls.TlsOptions): Promise<net.Server> {
    const own = pemOf(await mesh.certificate(pod('remote', { serviceAccount: 'web' })))
    const server = tls.createServer({ ...own, requestCert: true, ...options }, (socket) =>
      untilItsEnd(socket.on('error', () => {})),
    )
    server.on('tlsClientError', () => {})
    return pods.stranger.listen(15_008, (socket) => server.emit('connection', socket))
  }
})

test('a good one is served as before', async () => {
  pods.web.listen(8080)
  using peer = await dialHbone(
    { pod: pods.stranger, loop: mesh.loop },
    '10.0.0.2',
    await mesh.certificate(client),
  )
  const { status, stream } = await peer.connect('10.0.0.2:8080')
  expect(status).toBe(200)
  stream.end('x')
  expect(String((await once(stream, 'data'))[0])).toBe('x')
  peer.session.close()
  await waitFor('it to end', () => peer.session.destroyed)
  pods.web.closeServers()
  expect(http2.constants.NGHTTP2_NO_ERROR).toBe(stream.rstCode)
})

/** Says nothing; leaves when the other does. */
function untilItsEnd(socket: net.Socket): void {
  socket.resume().on('end', () => socket.destroy())
}

function isRefusal({ message }: { readonly message: string }): boolean {
  return message === 'connection failed'
}
