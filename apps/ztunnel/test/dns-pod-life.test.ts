/** The DNS proxy as pods come and go, and as one ztunnel follows another. */
import { encodeMessage, responseCodes } from '@ambient/dns'
import { closeDescriptor, udpListen } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type DnsAsker, TcpResolver } from './dns-client.ts'
import { addressesOf, answerTo, type DnsGround, openDnsGround, openDnsMesh } from './dns-fixture.ts'
import { dnsQuery } from './dns-query.ts'
import { pod } from './mesh-fixture.ts'

requireRoot()

let ground: DnsGround
let server: DnsGround['server']
let asker: DnsGround['asker']
let ask: DnsGround['ask']

beforeAll(async () => {
  ground = await openDnsGround()
  ;({ server, asker, ask } = ground)
})
afterEach(() => server.will(() => {}))
afterAll(() => {
  expect(ground.mesh.faults).toEqual([])
  ground[Symbol.dispose]()
})

describe('the life of a pod', () => {
  const late = pod('late', { addresses: ['10.0.0.2'] })
  const info = { name: 'late', namespace: 'shop', serviceAccount: 'default' }
  const add = (): void =>
    ground.mesh.plane.handle({
      kind: 'add-pod',
      uid: late.uid,
      info,
      netns: ground.pods.late.netns.fd,
      inherited: [],
    })
  const remove = (): void => ground.mesh.plane.handle({ kind: 'remove-pod', uid: late.uid })
  const fromLate = (): DnsAsker => ({ ...asker, pod: ground.pods.late })
  const added = (): unknown => ground.mesh.reports.findLast((report) => report.kind === 'pod-added')

  test('a pod without ::1 is served over IPv4', async () => {
    await ground.pods.late.run('ip -6 addr del ::1/128 dev lo')
    add()
    expect(added()).toMatchObject({ uid: late.uid, error: undefined })
    ground.mesh.know(late)
    expect(addressesOf(await ask(dnsQuery('web'), 'udp', fromLate()))).toEqual(['10.96.0.80'])
    remove()
    ground.mesh.plane.handle({
      kind: 'snapshot-delta',
      delta: { addresses: { upserts: [], removed: [late.uid] }, policies: { upserts: [], removed: [] } },
    })
  })

  test('a query of a pod that is not described yet waits for it', async () => {
    add()
    const asked = ask(dnsQuery('web'), 'udp', fromLate())
    const asked2 = ask(dnsQuery('web'), 'tcp', fromLate())
    // Behind it in the same queue, so that the first has been read when this one is answered.
    expect(await ask(dnsQuery('web', { opcode: 5 }), 'udp', fromLate())).toMatchObject({ responseCode: 4 })
    ground.mesh.know(late)
    expect(addressesOf(await asked)).toEqual(['10.96.0.80'])
    expect(addressesOf(await asked2)).toEqual(['10.96.0.80'])
    remove()
  })

  test('a port that is taken fails the pod, names it, and leaves nothing open', () => {
    const before = openDescriptors()
    const taken = ground.pods.late.netns.enter(() => udpListen({ ip: '127.0.0.1', port: 15_053 }))
    add()
    expect(added()).toMatchObject({ error: 'bind 127.0.0.1:15053: EADDRINUSE' })
    closeDescriptor(taken)
    expect(leakedDescriptors(before)).toEqual([])
  })

  test('leaving with queries and connections open leaves nothing open', async () => {
    const before = openDescriptors()
    add()
    const resolver = await TcpResolver.open(fromLate())
    resolver.send(encodeMessage(dnsQuery('silent.example.com')))
    const lost = ask(dnsQuery('silent.example.com'), 'udp', fromLate()).then(
      () => 'answered',
      () => 'nothing',
    )
    await waitFor('both to be forwarded', () => server.seen.length >= 2)
    remove()
    await resolver.ended()
    resolver.socket.destroy()
    expect(await Promise.race([lost, ask(dnsQuery('web')).then(() => 'the next one')])).toBe('the next one')
    await waitFor(
      'all to be closed',
      () => leakedDescriptors(before).filter((name) => !name.includes('socket')).length === 0,
    )
  })

  test('a draining ztunnel answers what it was asked, and new queries go to the next', async () => {
    const [old, next] = [await openDnsMesh({ drainMs: 5000 }), await openDnsMesh()]
    for (const one of [old, next]) one.know(late)
    old.plane.handle({
      kind: 'add-pod',
      uid: late.uid,
      info,
      netns: ground.pods.late.netns.fd,
      inherited: [],
    })
    const asked = Array.from({ length: 10 }, (_, id) =>
      ask(dnsQuery('www.example.com', { id }), 'udp', fromLate()),
    )
    const resolver = await TcpResolver.open(fromLate())
    resolver.send(encodeMessage(dnsQuery('www.example.com')))
    await waitFor('all to be forwarded', () => server.seen.length === 11)
    next.plane.handle({
      kind: 'add-pod',
      uid: late.uid,
      info,
      netns: ground.pods.late.netns.fd,
      inherited: [],
    })
    old.plane.handle({ kind: 'drain' })
    const others = Array.from({ length: 30 }, () => ask(dnsQuery('web'), 'udp', fromLate()))
    await Promise.all(others)
    for (const { query, reply } of server.seen) reply(answerTo(query, '192.0.2.1'))
    expect((await Promise.all(asked)).map(addressesOf)).toEqual(asked.map(() => ['192.0.2.1']))
    await resolver.answered(1)
    await resolver.ended()
    await waitFor('the old one to be done', () => old.reports.some(({ kind }) => kind === 'drained'))
    const requests = old.reports.flatMap((report) => (report.kind === 'dns' ? report.counts.samples : []))
    // Those that waited, and none of the thirty.
    expect(requests.reduce((sum, sample) => sum + sample.requests, 0)).toBe(11)
    for (const one of [old, next]) {
      one.plane.handle({ kind: 'remove-pod', uid: late.uid })
      one[Symbol.dispose]()
    }
  })

  test('what all pods of a thread may have waiting is bounded as well', async () => {
    using tight = await openDnsMesh({}, { dnsPending: 3 })
    tight.know(late)
    tight.plane.handle({
      kind: 'add-pod',
      uid: late.uid,
      info,
      netns: ground.pods.late.netns.fd,
      inherited: [],
    })
    const waiting = [1, 2, 3].map(() => ask(dnsQuery('silent.example.com'), 'udp', fromLate()))
    await waitFor('three to wait', () => server.seen.length >= 3)
    const refused = await ask(dnsQuery('silent.example.com'), 'udp', fromLate())
    expect(refused).toMatchObject({ responseCode: responseCodes.serverFailure })
    await Promise.all(waiting)
    tight.plane.handle({ kind: 'remove-pod', uid: late.uid })
  })
})
