import { getEventListeners } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { grpcStatus } from '@ambient/grpc'
import { systemClock } from '@ambient/lifecycle'
import { testCa, waitFor } from '@ambient/testkit'
import { encodeWireAuthorization } from '@ambient/xds-proto'
import { expect, onTestFinished, test } from 'vitest'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, XDS_LIMITS, type XdsEvent, type XdsLimits } from '../src/index.ts'
import { encodedResource } from '../src/encoded-resource.ts'
import { xdsLimits } from '../src/limits.ts'
import {
  connect,
  policy,
  rootPem,
  serve,
  setAddresses,
  setPolicies,
  tables,
  workload,
} from './control-plane.ts'

const terminations = (events: readonly XdsEvent[]) =>
  events.flatMap((event) => (event.kind === 'terminated' ? [event.reason] : []))

test('runXdsClient() gets everything, acknowledges it, and says once for each type that it has it', async () => {
  const content = tables()
  setAddresses(content, [workload('a'), workload('b')])
  setPolicies(content, [policy('p')])
  const { port, xds, calls } = await serve(content)
  const node = connect(port)
  await node.synced()
  expect([...node.addresses.keys()]).toEqual(['a', 'b'])
  expect([...node.policies.keys()]).toEqual(['shop/p'])
  expect(Object.fromEntries(calls[0]?.metadata ?? [])).toMatchObject({
    authorization: 'Bearer jwt',
    clusterid: 'Kubernetes',
    'x-extra': 'yes',
  })
  const connection = await waitFor('both acknowledgements', () =>
    xds
      .connections()
      .find(({ types }) => Object.values(types).filter(({ sent, acked }) => sent === acked).length === 2),
  )
  expect(connection).toMatchObject({
    node: { id: 'ztunnel~10.0.0.9~zt.istio-system~istio-system.svc.cluster.local' },
    identity: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel',
  })
  setAddresses(content, [workload('c')], ['a'])
  await waitFor('the change', () => node.addresses.has('c'))
  expect([...node.addresses.keys()]).toEqual(['b', 'c'])
  expect(node.events.filter(({ kind }) => kind === 'synced')).toHaveLength(2)
  expect(node.events.filter(({ kind }) => kind === 'response')).toHaveLength(3)
})

test('runXdsClient() is synced by an empty mesh', async () => {
  const { port } = await serve(tables())
  const node = connect(port)
  await node.synced()
  expect(node.told).toEqual([])
})

test('DeltaXdsServer sends policies before the workloads that name them, and takes them away after', async () => {
  const content = tables()
  const { port } = await serve(content)
  const node = connect(port)
  await node.synced()
  setAddresses(content, [workload('a')])
  setPolicies(content, [policy('p')])
  await waitFor('policy and workload', () => node.told.length === 2)
  setPolicies(content, [], ['shop/p'])
  setAddresses(content, [workload('a', 'changed')])
  await waitFor('both changes', () => node.told.length === 4)
  expect(node.told).toEqual(['+shop/p', '+a', '+a', '-shop/p'])
})

test('DeltaXdsServer merges the changes of one turn into one push', async () => {
  const content = tables()
  const { port } = await serve(content)
  const node = connect(port)
  await node.synced()
  for (const uid of ['a', 'b', 'c']) setAddresses(content, [workload(uid)])
  setAddresses(content, [], ['b'])
  await waitFor('the push', () => node.told.length > 0)
  expect(node.told).toEqual(['-b +a +c'])
})

test('runXdsClient() keeps what it knows while the server is away, and is then sent the difference only', async () => {
  const content = tables()
  setAddresses(content, [workload('same'), workload('changing'), workload('leaving')])
  setPolicies(content, [policy('p')])
  const first = await serve(content)
  const node = connect(first.port)
  await node.synced()
  await first.stop()
  await waitFor('the end of the stream', () => terminations(node.events).length > 0)
  expect(node.addresses.size).toBe(3)
  setAddresses(content, [workload('changing', 'n2'), workload('new')], ['leaving'])
  node.told.length = 0
  await serve(content, { port: first.port })
  await waitFor('the difference', () => node.addresses.has('new'))
  expect(node.told).toEqual(['-leaving +changing +new'])
})

test('runXdsClient() refuses one resource by name, takes the others, and keeps the last good one', async () => {
  const content = tables()
  setPolicies(content, [policy('p')])
  const first = await serve(content)
  const node = connect(first.port)
  await node.synced()
  const bad = encodeWireAuthorization({
    name: 'p',
    namespace: 'shop',
    rules: [{ clauses: [{ matches: [{ principals: [{}] }] }] }],
  })
  content.policies.apply([encodedResource({ name: 'shop/p', typeUrl: AUTHORIZATION_TYPE }, bad)], [])
  setPolicies(content, [policy('q')])
  const status = await waitFor(
    'the refusal',
    () =>
      first.xds.connections().find(({ types }) => types[AUTHORIZATION_TYPE]?.lastError !== undefined)?.types[
        AUTHORIZATION_TYPE
      ],
  )
  expect(status?.lastError).toBe('shop/p: a string match of no known kind')
  expect(status?.acked).not.toBe(status?.sent)
  expect([...node.policies.values()]).toEqual([policy('p'), policy('q')])
  // The version on record is still the good one's: the same bad resource is sent again, and refused again.
  await first.stop()
  const second = await serve(content, { port: first.port })
  await waitFor('the second refusal', () =>
    second.events.some((event) => event.kind === 'request' && event.outcome === 'nack'),
  )
  expect(node.policies.get('shop/p')).toEqual(policy('p'))
})

test('runXdsClient() is not synced by a first answer that it refused', async () => {
  const content = tables()
  content.addresses.apply(
    [encodedResource({ name: 'x', typeUrl: ADDRESS_TYPE }, Buffer.from('not an address'))],
    [],
  )
  const { port, events } = await serve(content)
  const node = connect(port)
  await waitFor('the refusal', () =>
    events.some((event) => event.kind === 'request' && event.outcome === 'nack'),
  )
  expect(node.events.filter((event) => event.kind === 'synced' && event.typeUrl === ADDRESS_TYPE)).toEqual([])
})

test('runXdsClient() refuses a resource under another name than its own, and of another type', async () => {
  const content = tables()
  const { port, xds } = await serve(content)
  const node = connect(port)
  await node.synced()
  const bytes = Uint8Array.of(0x0a, 0x04, 0xa2, 0x01, 0x01, 0x61) // Address{workload{uid "a"}}: fields 1 and 20
  content.addresses.apply(
    [
      encodedResource({ name: 'b', typeUrl: ADDRESS_TYPE }, bytes),
      encodedResource({ name: 'a', typeUrl: AUTHORIZATION_TYPE }, bytes),
    ],
    [],
  )
  const refused = await waitFor('the refusal', () => xds.connections()[0]?.types[ADDRESS_TYPE]?.lastError)
  expect(refused).toBe('b: it holds "a"; a: it is of type "type.googleapis.com/istio.security.Authorization"')
  expect(node.addresses.size).toBe(0)
})

test('runXdsClient() hands a large response over in slices, and lets other work run between them', async () => {
  const content = tables()
  const count = XDS_LIMITS.sliceResources.value * 2 + 1
  setAddresses(
    content,
    Array.from({ length: count }, (_, index) => workload(`w${index}`)),
  )
  const { port } = await serve(content)
  const sizes: number[] = []
  let turns = 0
  const seenTurns: number[] = []
  const ticking = setInterval(() => turns++, 0)
  onTestFinished(() => clearInterval(ticking))
  const node = connect(port, {
    sink: {
      onAddresses: async ({ upserts }) => {
        sizes.push(upserts.length)
        const before = turns
        await waitFor('another turn of the loop', () => turns > before)
        seenTurns.push(turns)
      },
    },
  })
  await node.synced()
  expect(sizes).toEqual([500, 500, 1])
  expect(new Set(seenTurns).size).toBe(3)
})

test('runXdsClient() acknowledges only what the sink has taken, and asks again for the rest', async () => {
  const content = tables()
  setAddresses(content, [workload('a')])
  const { port } = await serve(content)
  let attempts = 0
  const node = connect(port, {
    sink: {
      onAddresses: () => {
        attempts++
        if (attempts === 1) throw new Error('no room')
      },
    },
  })
  await node.synced()
  expect(attempts).toBe(2)
  expect(node.events.find(({ kind }) => kind === 'terminated')).toMatchObject({
    reason: 'Error',
    detail: 'no room',
  })
})

test('runXdsClient() reads the roots anew at each connect, and trusts nobody else', async () => {
  const { port } = await serve(tables())
  let roots = (await testCa('somebody else')).rootPem
  const node = connect(port, { roots: () => Promise.resolve(roots) })
  await waitFor('a failure', () => terminations(node.events).length > 0)
  expect(terminations(node.events)[0]).toBe('ConnectionError')
  roots = rootPem
  await node.synced()
})

test.each([
  { name: 'takes a server by the name in its certificate', host: 'localhost', isAccepted: true },
  {
    name: 'takes a server by the alternative name',
    host: '127.0.0.1',
    altHostname: 'istiod.istio-system.svc',
    isAccepted: true,
  },
  {
    name: 'takes a server by the IP address in its certificate',
    host: '127.0.0.1',
    isNamedByAddress: true,
    isAccepted: true,
  },
  {
    name: 'refuses a server by an address that is not in its certificate',
    host: '127.0.0.1',
    isAccepted: false,
  },
  {
    name: 'refuses a server with neither name',
    host: '127.0.0.1',
    altHostname: 'other.svc',
    isAccepted: false,
  },
  {
    name: 'refuses a server that has only the name sent for want of a better one',
    host: 'localhost',
    isNamedByAddress: true,
    isAccepted: false,
  },
])('runXdsClient() $name', async ({ host, altHostname, isNamedByAddress = false, isAccepted }) => {
  const { port } = await serve(tables(), { isNamedByAddress })
  const node = connect(port, { address: { host, port, plaintext: false }, altHostname })
  await waitFor('an outcome', () => node.events.length > 0)
  expect(node.events[0]).toMatchObject(
    isAccepted ? { kind: 'response' } : { kind: 'terminated', reason: 'ConnectionError' },
  )
})

test('runXdsClient() speaks plaintext when it is told to', async () => {
  const { port } = await serve(tables(), { plaintext: true })
  const node = connect(port, { address: { host: '127.0.0.1', port, plaintext: true } })
  await node.synced()
  expect(terminations(node.events)).toEqual([])
})

test('runXdsClient() gives up a server that accepts and says nothing', async () => {
  const mute = createServer(() => {})
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void mute.close())
  const { port } = mute.address() as AddressInfo
  const node = connect(port, { limits: { ...xdsLimits, connectMs: 50 } })
  const end = await waitFor('the end', () => node.events.find((event) => event.kind === 'terminated'))
  expect(end).toEqual({
    kind: 'terminated',
    reason: 'ConnectionError',
    detail: 'Cannot connect within 50 ms',
  })
})

test('runXdsClient() comes back at once from a clean end, and ever more slowly when it ends each time', async () => {
  const { port, xds, calls } = await serve(tables())
  const delays: number[] = []
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal): Promise<void> => {
      if (ms === xdsLimits.connectMs) return systemClock.sleep(ms, signal)
      delays.push(ms)
      return systemClock.sleep(1, signal)
    },
  }
  const node = connect(port, { clock, random: { float: () => 0.5, bytes: (count) => new Uint8Array(count) } })
  await node.synced()
  for (const ends of [1, 2, 3]) {
    await waitFor('a stream', () => calls.length === ends && xds.connections().length > 0)
    calls.at(-1)?.end({ code: grpcStatus.ok, message: '' })
    await waitFor(`end ${ends}`, () => terminations(node.events).length === ends)
  }
  expect(terminations(node.events)).toEqual(['Complete', 'Complete', 'Complete'])
  expect(delays.slice(0, 3)).toEqual([10, 20, 40])
})

test('runXdsClient() fails clearly without a token, and goes on trying', async () => {
  const { port } = await serve(tables())
  let token: string | undefined
  const node = connect(port, {
    token: () =>
      token === undefined
        ? Promise.reject(new Error('Cannot use token file "t": it is empty'))
        : Promise.resolve(token),
  })
  await waitFor('a failure', () => terminations(node.events).length > 0)
  expect(node.events[0]).toEqual({
    kind: 'terminated',
    reason: 'Error',
    detail: 'Cannot use token file "t": it is empty',
  })
  token = 'jwt'
  await node.synced()
})

test('runXdsClient() ends when it is told to, in a stream or between two, and leaves nothing behind', async () => {
  const { port, stop, xds, events } = await serve(tables())
  const streaming = connect(port)
  await streaming.synced()
  streaming.end.abort()
  await streaming.running
  expect(getEventListeners(streaming.end.signal, 'abort')).toEqual([])
  await waitFor('the server to notice', () => xds.connections().length === 0)
  expect(
    events.filter(({ kind }) => kind === 'connected' || kind === 'disconnected').map(({ kind }) => kind),
  ).toEqual(['connected', 'disconnected'])
  await stop()
  const slow: XdsLimits = { ...xdsLimits, firstDelayMs: 15_000 }
  const waiting = connect(port, { limits: slow })
  await waitFor('a failure', () => waiting.events.length > 0)
  waiting.end.abort()
  await waiting.running
  expect(getEventListeners(waiting.end.signal, 'abort')).toEqual([])
})
