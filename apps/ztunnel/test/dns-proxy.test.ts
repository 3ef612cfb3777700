/** The DNS proxy of a pod: real namespaces, the agent's redirect of port 53, and a name server in another pod. */
import { decodeMessage, encodeMessage, recordTypes, responseCodes, withMessageId } from '@ambient/dns'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DnsCounts } from '../src/dns/dns-report.ts'
import { askUdp, TcpResolver } from './dns-client.ts'
import { addressesOf, answerTo, BELIEVED, type DnsGround, openDnsGround } from './dns-fixture.ts'
import { dnsQuery } from './dns-query.ts'

requireRoot()

let ground: DnsGround
let server: DnsGround['server']
let asker: DnsGround['asker']
let ask: DnsGround['ask']
let counted: DnsGround['counted']

beforeAll(async () => {
  ground = await openDnsGround()
  ;({ server, asker, ask, counted } = ground)
})
afterEach(() => server.will(() => {}))
afterAll(() => {
  expect(ground.mesh.faults).toEqual([])
  ground[Symbol.dispose]()
})

describe.each([
  { family: 'IPv4', believed: BELIEVED.ipv4 },
  { family: 'IPv6', believed: BELIEVED.ipv6 },
])('over $family', ({ believed }) => {
  test.each(['udp', 'tcp'] as const)(
    '%s: a name of the mesh is answered, whatever server was asked',
    async (transport) => {
      const from = { ...asker, server: believed }
      const a = await ask(dnsQuery('web', { id: 11 }), transport, from)
      expect(a).toMatchObject({ id: 11, isResponse: true, isAuthoritative: true, responseCode: 0 })
      expect(addressesOf(a)).toEqual(['10.96.0.80'])
      const aaaa = await ask(dnsQuery('web.shop', {}, recordTypes.AAAA), transport, from)
      expect(addressesOf(aaaa)).toEqual(['fd00::80'])
      expect(server.seen).toEqual([])
    },
  )

  test.each(['udp', 'tcp'] as const)('%s: another name is asked of the name server', async (transport) => {
    server.will(({ query, reply }) => reply(answerTo(query, '192.0.2.1')))
    const answer = await ask(dnsQuery('www.example.com', { id: 12 }), transport, {
      ...asker,
      server: believed,
    })
    expect(answer).toMatchObject({ id: 12, isAuthoritative: false })
    expect(addressesOf(answer)).toEqual(['192.0.2.1'])
    expect(server.seen.map(({ transport: over, from }) => [over, from.address])).toEqual([
      ['udp', '10.0.0.1'],
    ])
  })
})

describe('forwarding', () => {
  test('relays query and answer byte for byte but for the id: flags, EDNS options, authority', async () => {
    const question = '0377777702 6e6f 00 0010 0001' // www.no TXT
    const cookie = '00 0029 04d0 00008000 000c 000a0008 0102030405060708'
    const soa = `026e6f 00 0006 0001 00000e10 0016 ${'00'.repeat(22)}`
    const query = hex(`abcd 0130 0001 0000 0000 0001 ${question} ${cookie}`)
    const nxdomain = (id: Uint8Array): Buffer =>
      Buffer.concat([id, hex(`8183 0001 0000 0001 0001 ${question} ${soa} ${cookie}`)])
    server.will(({ bytes, reply }) => reply(nxdomain(bytes.subarray(0, 2))))
    expect((await askUdp(asker, query)).toString('hex')).toBe(nxdomain(query.subarray(0, 2)).toString('hex'))
    const [seen] = server.seen
    expect(seen?.bytes.subarray(2).toString('hex')).toBe(query.subarray(2).toString('hex'))
  })

  test('uses a new id and a new port each time', async () => {
    server.will(({ query, reply }) => reply(answerTo(query, '192.0.2.1')))
    for (let i = 0; i < 20; i++) await ask(dnsQuery('www.example.com', { id: 7 }))
    const ids = new Set(server.seen.map(({ query }) => query.id))
    const ports = new Set(server.seen.map(({ from }) => from.port))
    // One of twenty may meet another; all of them hardly.
    expect(Math.min(ids.size, ports.size)).toBeGreaterThan(15)
  })

  test('drops what is not the answer, and what does not come from the name server', async () => {
    server.will(({ query, reply, replyFromElsewhere }) => {
      replyFromElsewhere(answerTo(query, '192.0.2.66'))
      reply(withMessageId(answerTo(query, '192.0.2.67'), query.id ^ 1))
      reply(answerTo(dnsQuery('www.example.net', { id: query.id }), '192.0.2.68'))
      reply(Buffer.from('no message'))
      reply(answerTo(query, '192.0.2.1'))
    })
    expect(addressesOf(await ask(dnsQuery('www.example.com')))).toEqual(['192.0.2.1'])
  })

  test('an answer cut short is told to a client on UDP and fetched whole for one on TCP', async () => {
    server.will(({ query, transport, reply }) =>
      reply(
        transport === 'udp'
          ? answerTo(query, '192.0.2.1', { answers: [], isTruncated: true })
          : answerTo(query, '192.0.2.2'),
      ),
    )
    expect(await ask(dnsQuery('www.example.com'))).toMatchObject({ isTruncated: true, answers: [] })
    const whole = await ask(dnsQuery('www.example.com'), 'tcp')
    expect([whole.isTruncated, addressesOf(whole)]).toEqual([false, ['192.0.2.2']])
    expect(server.seen.map(({ transport }) => transport)).toEqual(['udp', 'udp', 'tcp'])
  })

  test('an answer longer than the client takes becomes a truncated one', async () => {
    const many = Array.from({ length: 60 }, (_, i) => ({
      name: 'www.example.com',
      class: 1,
      ttlSeconds: 1,
      data: { kind: 'address' as const, ip: `192.0.2.${i}` },
    }))
    server.will(({ query, reply }) => reply(answerTo(query, '', { answers: many })))
    expect(await ask(dnsQuery('www.example.com'))).toMatchObject({ isTruncated: true, answers: [] })
    const edns = { payloadBytes: 4096, version: 0, isDnssecOk: false }
    expect((await ask(dnsQuery('www.example.com', { edns }))).answers).toHaveLength(60)
  })

  test('a query that nobody answers is tried again, then SERVFAIL; counted and logged with its reason', async () => {
    const MX = 15
    expect(await ask(dnsQuery('silent.example.com', { id: 9 }, MX))).toMatchObject({
      id: 9,
      responseCode: responseCodes.serverFailure,
    })
    expect(server.seen).toHaveLength(2)
    const ofType = (counts: DnsCounts): DnsCounts['samples'] =>
      counts.samples.filter(({ labels }) => labels[0] === 'mx')
    const samples = (
      await counted('the failure', (counts) => ofType(counts).some(({ failures }) => failures > 0))
    ).flatMap(ofType)
    const sum = (of: 'requests' | 'forwarded' | 'failures'): number =>
      samples.reduce((total, sample) => total + sample[of], 0)
    expect([sum('requests'), sum('forwarded'), sum('failures')]).toEqual([1, 1, 1])
    expect(samples[0]?.labels).toEqual(['mx', 'udp', 'client', 'v1'])
    const durations = samples.flatMap(({ durationsSeconds }) => durationsSeconds)
    expect(durations).toHaveLength(1)
    expect(durations[0]).toBeGreaterThan(0.3)
    expect(await ground.mesh.logged('query', { reason: 'DNS_UPSTREAM_FAILED' })).toMatchObject({
      'src.workload': 'client',
      'src.namespace': 'shop',
      query: 'MX',
      domain: 'silent.example.com.',
      result: 'forwarding failed (10.0.0.53 did not answer in time)',
      endpoints: 0,
    })
  })

  test('the second attempt is as good as the first', async () => {
    server.will(({ query, reply }) => {
      if (server.seen.length === 2) reply(answerTo(query, '192.0.2.1'))
    })
    expect(addressesOf(await ask(dnsQuery('www.example.com')))).toEqual(['192.0.2.1'])
  })

  test('too many that wait are refused at once, names of the mesh are not, and room comes back', async () => {
    const waiting = Array.from({ length: 20 }, () => ask(dnsQuery('silent.example.com')))
    await waitFor('twenty to wait', () => server.seen.length >= 20)
    const startMs = performance.now()
    expect(await ask(dnsQuery('silent.example.com'))).toMatchObject({
      responseCode: responseCodes.serverFailure,
    })
    expect(addressesOf(await ask(dnsQuery('web')))).toEqual(['10.96.0.80'])
    expect(performance.now() - startMs).toBeLessThan(300)
    await counted('the limit', ({ limitHits }) => (limitHits.dnsPendingPerPod ?? 0) > 0)
    await Promise.all(waiting)
    server.will(({ query, reply }) => reply(answerTo(query, '192.0.2.1')))
    expect(addressesOf(await ask(dnsQuery('www.example.com')))).toEqual(['192.0.2.1'])
  })
})

describe('what is no plain query', () => {
  test('what cannot be read is FORMERR, by its header; less than that is nothing', async () => {
    const broken = Buffer.from('00070100000100000000000005', 'hex')
    expect(decodeMessage(await askUdp(asker, broken))).toMatchObject({
      id: 7,
      isResponse: true,
      responseCode: responseCodes.formatError,
    })
    const noHeader = askUdp(asker, Buffer.from('000701')).then(
      () => 'answered',
      () => 'nothing',
    )
    expect(await Promise.race([noHeader, ask(dnsQuery('web')).then(() => 'the next one')])).toBe(
      'the next one',
    )
  })

  test('an update is NOTIMP', async () => {
    expect(await ask(dnsQuery('web', { opcode: 5 }))).toMatchObject({
      opcode: 5,
      responseCode: responseCodes.notImplemented,
    })
    expect(server.seen).toEqual([])
  })

  test('two hundred endpoints are cut on UDP and whole on TCP', async () => {
    const cut = await ask(dnsQuery('peers'))
    expect([cut.isTruncated, cut.answers.length > 20]).toEqual([true, true])
    expect((await ask(dnsQuery('peers'), 'tcp')).answers).toHaveLength(200)
  })
})

describe('over TCP', () => {
  test('queries sent together are all answered, more of them than are worked on at once', async () => {
    server.will(({ query, reply }) => reply(answerTo(query, '192.0.2.1')))
    const resolver = await TcpResolver.open(asker)
    const queries = Array.from({ length: 60 }, (_, id) =>
      encodeMessage(dnsQuery(id % 2 === 0 ? 'web' : 'www.example.com', { id })),
    )
    resolver.send(...queries)
    const answers = await resolver.answered(60)
    expect(answers.map((answer) => decodeMessage(answer).id).toSorted((a, b) => a - b)).toEqual(
      queries.map((_, id) => id),
    )
    resolver.socket.destroy()
  })

  test('a query may come a byte at a time, and its answer after the client has finished', async () => {
    const resolver = await TcpResolver.open(asker)
    const message = encodeMessage(dnsQuery('web'))
    for (const byte of [0, message.length, ...message]) resolver.socket.write(Uint8Array.of(byte))
    resolver.socket.end()
    const [answer] = await resolver.answered(1)
    expect(addressesOf(decodeMessage(answer ?? Buffer.alloc(0)))).toEqual(['10.96.0.80'])
    await resolver.ended()
  })

  test('who asks nothing is hung up on, and so is who begins and does not finish', async () => {
    const silent = await TcpResolver.open(asker)
    const slow = await TcpResolver.open(asker)
    slow.socket.write(Uint8Array.of(0, 20, 1))
    await Promise.all([silent.ended(), slow.ended()])
  })

  test('who waits for an answer is not', async () => {
    server.will(({ query, reply }) => void setTimeout(() => reply(answerTo(query, '192.0.2.1')), 180))
    const resolver = await TcpResolver.open(asker)
    resolver.send(encodeMessage(dnsQuery('a.example.com')))
    await resolver.answered(1)
    expect(resolver.hasEnded).toBe(false)
    await resolver.ended()
  })

  test('what is no message ends the connection', async () => {
    const resolver = await TcpResolver.open(asker)
    resolver.socket.write(Uint8Array.of(0, 3, 1, 2, 3))
    await resolver.ended()
  })

  test('one more connection than a pod may have is reset, and counted', async () => {
    const open = await Promise.all([1, 2, 3].map(() => TcpResolver.open(asker)))
    const extra = await TcpResolver.open(asker)
    await extra.ended()
    await counted('the limit', ({ limitHits }) => (limitHits.dnsConnectionsPerPod ?? 0) > 0)
    await Promise.all(open.map((resolver) => resolver.ended()))
  })
})

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}
