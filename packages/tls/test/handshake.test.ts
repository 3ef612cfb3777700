/** Handshakes with a foreign peer, Node's own TLS: who is let in, who is refused, and in which words. */
import { Arena, SHUT_WR, sys } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, testCa, waitFor, type IssuedCertificate } from '@ambient/testkit'
import { liveTlsObjects, TlsContext, TlsTransport } from '@ambient/tls'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acceptFromNode, dialNode, dialSilence } from './foreign-peer.ts'
import { socketPair } from './socket-pair.ts'
import { bothHandshakes, something } from './verify-transport.ts'

const [ca, foreignCa] = [await testCa('ours'), await testCa('foreign')]
const PEER = 'spiffe://cluster.local/ns/shop/sa/cart'
const hourAgo = new Date(Date.now() - 3_600_000)
const inAnHour = new Date(Date.now() + 3_600_000)
const identities = {
  good: await ca.issue({ uris: [PEER] }),
  viaIntermediate: await (await ca.intermediate()).issue({ uris: [PEER] }),
  twoUris: await ca.issue({ uris: [PEER, 'spiffe://cluster.local/ns/shop/sa/admin'] }),
  noUri: await ca.issue({ dnsNames: ['cart.shop'] }),
  expired: await ca.issue({ uris: [PEER], notBefore: new Date(Date.now() - 7_200_000), notAfter: hourAgo }),
  early: await ca.issue({ uris: [PEER], notBefore: inAnHour }),
  clientOnly: await ca.issue({ uris: [PEER], eku: 'client' }),
  serverOnly: await ca.issue({ uris: [PEER], eku: 'server' }),
  // Node sends along what it knows to be the root: let it know ours.
  foreign: { ...(await foreignCa.issue({ uris: [PEER] })), rootsPem: ca.rootPem },
} as const
const context = new TlsContext(await ca.issue({ uris: ['spiffe://cluster.local/ns/mesh/sa/us'] }))
const into = new Arena(65_536)

let before: ReadonlyMap<number, string>
beforeEach(() => {
  before = openDescriptors()
})
afterEach(async () => {
  await waitFor('every descriptor to be closed', () => {
    expect(leakedDescriptors(before)).toEqual([])
    return true
  })
  expect(liveTlsObjects()).toEqual({ contexts: 1, connections: 0 })
})
afterAll(() => {
  context.free()
  expect(liveTlsObjects()).toEqual({ contexts: 0, connections: 0 })
})

function node({ certificateChainPem, privateKeyPem, rootsPem }: IssuedCertificate): {
  cert: string
  key: string
  ca: string
} {
  return { cert: certificateChainPem, key: privateKeyPem, ca: rootsPem }
}

const accepted = [
  { who: 'a peer of our CA', identity: identities.good, uris: [PEER] },
  { who: 'a peer with an intermediate', identity: identities.viaIntermediate, uris: [PEER] },
  {
    who: 'a peer with two URIs, which the SPIFFE check refuses',
    identity: identities.twoUris,
    uris: [PEER, 'spiffe://cluster.local/ns/shop/sa/admin'],
  },
  { who: 'a peer without a URI, which the SPIFFE check refuses', identity: identities.noUri, uris: [] },
] as const

const refused = [
  {
    who: 'an expired SVID',
    identity: identities.expired,
    reason: "peer's certificate refused: certificate has expired",
    told: /certificate expired/,
  },
  {
    who: 'an SVID of tomorrow',
    identity: identities.early,
    reason: "peer's certificate refused: certificate is not yet valid",
    told: /bad certificate|certificate/,
  },
  {
    who: 'a foreign CA',
    identity: identities.foreign,
    reason: "peer's certificate refused: unable to get local issuer certificate",
    told: /unknown ca/,
  },
] as const

describe('as a server', () => {
  test.each(accepted)('handshake() lets $who in', async ({ identity, uris }) => {
    await using connection = await acceptFromNode(context, node(identity))
    expect(connection.result).toEqual({ kind: 'done' })
    expect(connection.transport.peerUris()).toEqual(uris)
    await waitFor('Node’s client to be content', () => connection.foreign?.getProtocol() === 'TLSv1.3')
    expect(connection.foreign?.alpnProtocol).toBe('h2')
  })

  test.each([
    ...refused,
    {
      who: 'an SVID for servers only',
      identity: identities.serverOnly,
      reason: "peer's certificate refused: unsuitable certificate purpose",
      told: /unsupported certificate|certificate/,
    },
  ])('handshake() refuses $who, says why, and tells the peer', async ({ identity, reason, told }) => {
    await using connection = await acceptFromNode(context, node(identity))
    expect(connection.result).toEqual({ kind: 'failed', reason, certificate: 'refused' })
    await waitFor('the alert', () => told.test(connection.foreignError()))
  })

  test('handshake() refuses a peer without a certificate', async () => {
    await using connection = await acceptFromNode(context, {})
    expect(connection.result).toEqual({
      kind: 'failed',
      reason: 'peer sent no certificate',
      certificate: 'missing',
    })
    await waitFor('the alert', () => /certificate required/.test(connection.foreignError()))
  })

  test('handshake() refuses a peer that offers another protocol, or none', async () => {
    await using other = await acceptFromNode(context, {
      ...node(identities.good),
      ALPNProtocols: ['http/1.1'],
    })
    expect(other.result).toEqual({ kind: 'failed', reason: 'no application protocol' })
    await using none = await acceptFromNode(context, { ...node(identities.good), ALPNProtocols: [] })
    expect(none.result).toEqual({ kind: 'failed', reason: 'peer did not agree on h2' })
  })

  test('handshake() takes h2 from among others', async () => {
    await using connection = await acceptFromNode(context, {
      ...node(identities.good),
      ALPNProtocols: ['http/1.1', 'h2'],
    })
    expect([connection.result.kind, connection.foreign?.alpnProtocol]).toEqual(['done', 'h2'])
  })

  test('handshake() refuses TLS 1.2', async () => {
    await using connection = await acceptFromNode(context, {
      ...node(identities.good),
      maxVersion: 'TLSv1.2',
    })
    expect(connection.result).toEqual({ kind: 'failed', reason: 'unsupported protocol' })
    await waitFor('the alert', () => /protocol version/.test(connection.foreignError()))
  })

  test.each([
    { offer: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256', chosen: 'TLS_AES_128_GCM_SHA256' },
    { offer: 'TLS_AES_256_GCM_SHA384', chosen: 'TLS_AES_256_GCM_SHA384' },
  ])('handshake() chooses $chosen of $offer', async ({ offer, chosen }) => {
    await using connection = await acceptFromNode(context, { ...node(identities.good), ciphers: offer })
    expect([connection.result.kind, connection.transport.negotiated()?.cipherSuite]).toEqual(['done', chosen])
  })

  test('handshake() refuses a peer that knows ChaCha20 only', async () => {
    await using connection = await acceptFromNode(context, {
      ...node(identities.good),
      ciphers: 'TLS_CHACHA20_POLY1305_SHA256',
    })
    expect(connection.result).toEqual({ kind: 'failed', reason: 'no shared cipher' })
  })

  test.each([
    { offer: 'X25519MLKEM768:X25519', chosen: 'X25519MLKEM768' },
    // It comes with a share of the first only: no round trip is spent to ask for the other.
    { offer: 'X25519:X25519MLKEM768', chosen: 'x25519' },
    { offer: 'X25519', chosen: 'x25519' },
    { offer: 'P-256', chosen: 'secp256r1' },
    { offer: 'P-384', chosen: 'secp384r1' },
  ])('handshake() agrees on $chosen of $offer', async ({ offer, chosen }) => {
    await using connection = await acceptFromNode(context, { ...node(identities.good), ecdhCurve: offer })
    expect([connection.result.kind, connection.transport.negotiated()?.group]).toEqual(['done', chosen])
  })

  test('read() gives what Node wrote, and eof when it says goodbye', async () => {
    await using connection = await acceptFromNode(context, node(identities.good))
    connection.foreign?.end('hello')
    expect(await something(connection.transport, into)).toMatchObject({ kind: 'bytes', length: 5 })
    expect(Buffer.from(into.bytes.subarray(0, 5)).toString()).toBe('hello')
    expect(await something(connection.transport, into)).toEqual({ kind: 'eof' })
  })
})

describe('as a client', () => {
  test.each(accepted)('handshake() believes $who', async ({ identity, uris }) => {
    await using connection = await dialNode(context, node(identity))
    expect([connection.result, connection.transport.peerUris()]).toEqual([{ kind: 'done' }, uris])
  })

  test.each([
    ...refused,
    {
      who: 'an SVID for clients only',
      identity: identities.clientOnly,
      reason: "peer's certificate refused: unsuitable certificate purpose",
      told: /unsupported certificate|certificate/,
    },
  ])('handshake() refuses $who, says why, and tells the peer', async ({ identity, reason, told }) => {
    await using connection = await dialNode(context, node(identity))
    expect(connection.result).toEqual({ kind: 'failed', reason, certificate: 'refused' })
    await waitFor('the alert', () => told.test(connection.foreignError()))
  })

  test('handshake() offers the hybrid group and AES-128 first', async () => {
    await using connection = await dialNode(context, { ...node(identities.good), honorCipherOrder: false })
    expect(connection.transport.negotiated()).toEqual({
      cipherSuite: 'TLS_AES_128_GCM_SHA256',
      group: 'X25519MLKEM768',
    })
  })

  test('handshake() refuses TLS 1.2, and a server without h2', async () => {
    await using old = await dialNode(context, { ...node(identities.good), maxVersion: 'TLSv1.2' })
    expect(old.result).toEqual({ kind: 'failed', reason: 'peer refused us: protocol version' })
    await using other = await dialNode(context, { ...node(identities.good), ALPNProtocols: ['http/1.1'] })
    expect(other.result).toEqual({ kind: 'failed', reason: 'peer refused us: no application protocol' })
  })

  test('read() tells why the server refused us, which comes after our handshake is done', async () => {
    using server = new TlsContext({ ...identities.good, rootsPem: foreignCa.rootPem })
    const pair = await socketPair()
    const [ours, theirs] = [
      new TlsTransport(pair.clientFd, context, 'client'),
      new TlsTransport(pair.serverFd, server, 'server'),
    ]
    const [result] = await bothHandshakes(ours, theirs)
    expect(result).toEqual({ kind: 'done' })
    expect(await something(ours, into)).toEqual({ kind: 'failed', reason: 'peer refused us: unknown ca' })
    ours.close()
    theirs.close()
    pair.close()
  })

  test('read() fails when the connection ends without goodbye: it may have been cut', async () => {
    const pair = await socketPair()
    const [ours, theirs] = [
      new TlsTransport(pair.clientFd, context, 'client'),
      new TlsTransport(pair.serverFd, context, 'server'),
    ]
    await bothHandshakes(ours, theirs)
    sys.shutdown(pair.serverFd, SHUT_WR)
    expect(await something(ours, into)).toEqual({ kind: 'failed', reason: 'peer closed without TLS close' })
    ours.close()
    theirs.close()
    pair.close()
  })

  test('handshake() fails in words when the peer hangs up', async () => {
    expect(await dialSilence(context)).toEqual({ kind: 'failed', reason: 'peer closed without TLS close' })
  })
})

test('a failure leaves nothing in the error queue for the next connection', async () => {
  for (const identity of [identities.expired, identities.foreign, identities.serverOnly]) {
    await using failing = await acceptFromNode(context, node(identity))
    expect(failing.result.kind).toBe('failed')
    await using next = await acceptFromNode(context, node(identities.good))
    expect(next.result).toEqual({ kind: 'done' })
    expect(next.transport.read(into)).toEqual({ kind: 'wait' })
  }
})
