import { randomBytes } from 'node:crypto'
import { type GrpcStatusCode, grpcStatus } from '@ambient/grpc'
import { type Address, defineService } from '@ambient/model'
import { waitFor } from '@ambient/testkit'
import { decodeWireWorkload } from '@ambient/xds-proto'
import { expect, test } from 'vitest'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, type DeltaXdsServerOptions, WORKLOAD_TYPE } from '../src/index.ts'
import { xdsLimits } from '../src/limits.ts'
import { policy, serve, setAddresses, setPolicies, tables, workload } from './control-plane.ts'
import { namesOf, node, open, openStuck, type Request } from './raw-client.ts'

test.each<{
  name: string
  options: Partial<DeltaXdsServerOptions<string>>
  request?: Request
  code: GrpcStatusCode
  details: string
}>([
  {
    name: 'a stream that does not name its node',
    options: {},
    request: { typeUrl: ADDRESS_TYPE },
    code: grpcStatus.invalidArgument,
    details: 'the first request of a stream must name its node',
  },
  {
    name: 'a caller it does not know',
    options: { authenticate: () => Promise.resolve({ kind: 'refused', detail: 'authentication failed' }) },
    code: grpcStatus.unauthenticated,
    details: 'authentication failed',
  },
  {
    name: 'everybody while it is not ready',
    options: { isSynced: () => false },
    code: grpcStatus.unavailable,
    details: 'the control plane is not ready yet',
  },
  {
    name: 'a node that the caller is not',
    options: {
      admit: (caller, { id }) => ({
        kind: 'refused',
        code: grpcStatus.permissionDenied,
        detail: `${caller} is not ${id}`,
      }),
    },
    code: grpcStatus.permissionDenied,
    details: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel is not ztunnel~10.0.0.9~zt.istio-system~x',
  },
  {
    name: 'too many names',
    options: { limits: { ...xdsLimits, namesPerSubscription: 2 } },
    request: { node, typeUrl: ADDRESS_TYPE, subscribe: ['a', 'b', 'c'] },
    code: grpcStatus.resourceExhausted,
    details: 'too many names',
  },
  {
    name: 'too many types',
    options: { limits: { ...xdsLimits, typesPerStream: 0 } },
    code: grpcStatus.resourceExhausted,
    details: 'too many types',
  },
])(
  'DeltaXdsServer refuses $name',
  async ({ options, request = { node, typeUrl: ADDRESS_TYPE }, code, details }) => {
    const { port, xds } = await serve(tables(), { plaintext: true, ...options })
    const { stream, failures, read } = open(port)
    read()
    stream.write(request)
    await waitFor('the refusal', () => failures.length > 0)
    expect(failures[0]).toMatchObject({ code, details })
    await waitFor('the stream to be forgotten', () => xds.connections().length === 0)
  },
)

test('DeltaXdsServer lets new streams wait for their turn, and refuses those that would wait too long', async () => {
  const { port, events } = await serve(tables(), {
    plaintext: true,
    limits: { ...xdsLimits, streamsPerSecond: 10, streamWaitMs: 150 },
  })
  const clients = Array.from({ length: 20 }, () => open(port))
  for (const { stream, read } of clients) {
    read()
    stream.write({ node, typeUrl: ADDRESS_TYPE })
  }
  await waitFor('an outcome for each', () =>
    clients.every(({ got, failures }) => got.length + failures.length > 0),
  )
  const refused = clients.flatMap(({ failures }) => failures)
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(10)
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set([grpcStatus.resourceExhausted]))
  const counted = events.filter((event) => event.kind === 'limit' && event.limit === 'streamsPerSecond')
  expect(counted).toHaveLength(refused.length)
})

test('DeltaXdsServer answers a type that it does not have once, with nothing', async () => {
  const { port, events } = await serve(tables(), { plaintext: true })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' })
  const answer = await waitFor('the answer', () => got[0])
  expect(answer.typeUrl).toBe('type.googleapis.com/envoy.config.cluster.v3.Cluster')
  expect(namesOf(answer)).toEqual({ names: [], removed: [] })
  stream.write({ typeUrl: answer.typeUrl, nonce: answer.nonce })
  await waitFor('the acknowledgement', () =>
    events.some((event) => event.kind === 'request' && event.outcome === 'ack'),
  )
  stream.write({ typeUrl: ADDRESS_TYPE })
  await waitFor('the next answer', () => got.length === 2)
  expect(got.map(({ typeUrl }) => typeUrl)).toEqual([answer.typeUrl, ADDRESS_TYPE])
})

const service: Address = {
  kind: 'service',
  service: defineService({ name: 'db', namespace: 'shop', hostname: 'db.example' }),
}

test('DeltaXdsServer serves workloads alone, under the versions of their addresses, to clients of the older type', async () => {
  const content = tables()
  setAddresses(content, [workload('a'), service])
  const { port } = await serve(content, { plaintext: true })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: WORKLOAD_TYPE })
  const answer = await waitFor('the answer', () => got[0])
  expect(namesOf(answer)).toEqual({ names: ['a'], removed: [] })
  const [resource] = answer.resources
  expect(resource).toMatchObject({
    typeUrl: WORKLOAD_TYPE,
    version: content.addresses.get('a')?.version,
  })
  expect(decodeWireWorkload(resource?.bytes ?? Buffer.alloc(0))).toMatchObject({ uid: 'a' })
  setAddresses(content, [], ['shop/db.example', 'a'])
  await waitFor('the removal', () => got.length === 2)
  expect(got.slice(1).map(namesOf)).toEqual([{ names: [], removed: ['a'] }])
})

test('DeltaXdsServer tells a node proxy of no workload before its policies, whatever it asks for first', async () => {
  const content = tables()
  setAddresses(content, [workload('a')])
  setPolicies(content, [policy('p')])
  const { port } = await serve(content, { plaintext: true, scope: { enforcesPolicies: true } })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: ADDRESS_TYPE })
  setAddresses(content, [workload('b')])
  stream.write({ typeUrl: AUTHORIZATION_TYPE })
  await waitFor('both answers', () => got.length === 2)
  expect(got.map((response) => ({ typeUrl: response.typeUrl, ...namesOf(response) }))).toEqual([
    { typeUrl: AUTHORIZATION_TYPE, names: ['shop/p'], removed: [] },
    { typeUrl: ADDRESS_TYPE, names: ['a', 'b'], removed: [] },
  ])
})

test('DeltaXdsServer serves a node proxy that never asks for policies in the end', async () => {
  const content = tables()
  setAddresses(content, [workload('a')])
  const { port } = await serve(content, {
    plaintext: true,
    scope: { enforcesPolicies: true },
    limits: { ...xdsLimits, policiesFirstMs: 30 },
  })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: ADDRESS_TYPE })
  const answer = await waitFor('the answer', () => got[0])
  expect(namesOf(answer)).toEqual({ names: ['a'], removed: [] })
})

test('DeltaXdsServer sends many clients everything as one shared and compressed body, and each its own nonce', async () => {
  const content = tables()
  const uids = Array.from({ length: 2000 }, (_, n) => `pod-${n}`)
  setAddresses(
    content,
    uids.map((_, n) => workload(`pod-${n}`)),
  )
  const { port, calls } = await serve(content, { plaintext: true })
  const clients = [open(port), open(port)]
  for (const { stream, read } of clients) {
    read()
    stream.write({ node, typeUrl: ADDRESS_TYPE })
  }
  await waitFor('both answers', () => clients.every(({ got }) => got.length === 1))
  for (const { got } of clients) expect(got[0]?.resources.map(({ name }) => name)).toEqual(uids)
  expect(calls.map(({ acceptsGzip }) => acceptsGzip)).toEqual([true, true])
  setAddresses(content, [workload('new')], [uids[0] ?? ''])
  await waitFor('the change', () => clients.every(({ got }) => got.length === 2))
  expect(clients[0]?.got.slice(1).map(namesOf)).toEqual([{ names: ['new'], removed: [uids[0]] }])
  // A client that holds everything but for one is not sent everything for it.
  const held = Object.fromEntries(
    [...content.addresses.names()].map((name) => [name, content.addresses.get(name)?.version ?? '']),
  )
  const resumed = open(port)
  resumed.read()
  resumed.stream.write({
    node,
    typeUrl: ADDRESS_TYPE,
    initialVersions: { ...held, new: 'old' },
  })
  await waitFor('the resumed client', () => resumed.got.length === 1)
  expect(resumed.got.map(namesOf)).toEqual([{ names: ['new'], removed: [] }])
})

test('DeltaXdsServer holds a client that does not read to what is in flight, merges the rest, and slows nobody else', async () => {
  const content = tables()
  const { port, events } = await serve(content, { plaintext: true })
  const pushes = (): number => events.filter((event) => event.kind === 'push').length
  const slow = open(port)
  slow.stream.write({ node, typeUrl: ADDRESS_TYPE })
  slow.stream.write({ typeUrl: AUTHORIZATION_TYPE })
  await waitFor('two pushes', () => pushes() === 2)
  const noise = randomBytes(75_000).toString('base64') // nothing that compresses well
  const ROUNDS = 200
  for (let round = 1; round <= ROUNDS; round++) {
    setAddresses(content, [workload('a', `${noise}${round}`), workload(`b${round}`)])
    await new Promise((resolve) => setImmediate(resolve))
  }
  setPolicies(content, [policy('late')])
  const sentUnread = pushes()
  expect(sentUnread).toBeLessThan(60) // sockets take a few megabytes; without the bound it were 202
  const held = events.filter((event) => event.kind === 'limit' && event.limit === 'inFlightBytes')
  expect(held.length).toBeGreaterThan(ROUNDS - 60)
  const other = open(port)
  other.read()
  other.stream.write({ node, typeUrl: ADDRESS_TYPE })
  await waitFor('the other client', () => other.got[0]?.resources.length === ROUNDS + 1)
  slow.read()
  await waitFor('the policy', () =>
    slow.got.some(({ typeUrl, resources }) => typeUrl === AUTHORIZATION_TYPE && resources.length === 1),
  )
  await waitFor('the last workload', () =>
    slow.got.some(({ resources }) => resources.some(({ name }) => name === `b${ROUNDS}`)),
  )
  const copies = slow.got.filter(({ resources }) => resources.some(({ name }) => name === 'a'))
  expect(copies.length).toBeLessThan(60)
  expect(
    slow.got
      .flatMap(({ resources }) => resources.map(({ name }) => name))
      .filter((name) => name.startsWith('b')),
  ).toHaveLength(ROUNDS)
})

test('DeltaXdsServer cuts a client that takes nothing for long', async () => {
  const content = tables()
  const { port, xds, events } = await serve(content, {
    plaintext: true,
    limits: { ...xdsLimits, sendMs: 200 },
  })
  const stuck = openStuck(port, { node, typeUrl: ADDRESS_TYPE })
  await waitFor('the stream', () => xds.connections().length === 1)
  await waitFor(
    'the end of the stream',
    () => {
      setAddresses(content, [workload('a', randomBytes(750_000).toString('base64'))]) // until every socket is full
      return xds.connections().length === 0
    },
    { deadlineMs: 20_000 },
  )
  expect(events.filter((event) => event.kind === 'limit' && event.limit === 'sendMs')).toHaveLength(1)
  await waitFor('the client to know', () => stuck.closed)
})
