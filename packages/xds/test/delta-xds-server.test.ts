import { ChannelCredentials, Client, type ClientDuplexStream, Metadata, status } from '@grpc/grpc-js'
import { waitFor } from '@ambient/testkit'
import {
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { expect, onTestFinished, test } from 'vitest'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, type DeltaXdsServerOptions } from '../src/index.ts'
import { xdsLimits } from '../src/limits.ts'
import { serve, setAddresses, setPolicies, tables, workload, policy } from './control-plane.ts'

type Request = Partial<DeltaRequest> & { typeUrl: string }
const node = { id: 'ztunnel~10.0.0.9~zt.istio-system~x', metadata: {} }

/** A client that does exactly what the test says. */
function open(port: number) {
  const client = new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure())
  const stream: ClientDuplexStream<Request, DeltaResponse> = client.makeBidiStreamRequest(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    decodeDeltaResponse,
    new Metadata(),
  )
  const got: DeltaResponse[] = []
  const failures: { code: number; details: string }[] = []
  stream.on('error', (error) => void failures.push(error as unknown as { code: number; details: string }))
  onTestFinished(() => {
    stream.cancel()
    client.close()
  })
  return {
    stream,
    got,
    failures,
    read: () => void stream.on('data', (response: DeltaResponse) => got.push(response)),
  }
}

const brief = ({ typeUrl, resources, removed }: DeltaResponse) => ({
  typeUrl,
  names: resources.map(({ name }) => name),
  removed,
})

test.each<{
  name: string
  options: Partial<DeltaXdsServerOptions>
  request?: Request
  code: status
  details: string
}>([
  {
    name: 'a stream that does not name its node',
    options: {},
    request: { typeUrl: ADDRESS_TYPE },
    code: status.INVALID_ARGUMENT,
    details: 'the first request of a stream must name its node',
  },
  {
    name: 'a caller it does not know',
    options: { authenticate: () => Promise.resolve({ kind: 'refused', detail: 'authentication failed' }) },
    code: status.UNAUTHENTICATED,
    details: 'authentication failed',
  },
  {
    name: 'everybody while it is not ready',
    options: { isSynced: () => false },
    code: status.UNAVAILABLE,
    details: 'the control plane is not ready yet',
  },
  {
    name: 'a node that the caller is not',
    options: { refuseNode: (identity, { id }) => `${identity} is not ${id}` },
    code: status.PERMISSION_DENIED,
    details: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel is not ztunnel~10.0.0.9~zt.istio-system~x',
  },
  {
    name: 'with nothing of our own errors',
    options: { authenticate: () => Promise.reject(new Error('secret path')) },
    code: status.INTERNAL,
    details: 'internal error',
  },
  {
    name: 'too many names',
    options: { limits: { ...xdsLimits, namesPerSubscription: 2 } },
    request: { node, typeUrl: ADDRESS_TYPE, subscribe: ['a', 'b', 'c'] },
    code: status.RESOURCE_EXHAUSTED,
    details: 'too many names',
  },
  {
    name: 'too many types',
    options: { limits: { ...xdsLimits, typesPerStream: 0 } },
    code: status.RESOURCE_EXHAUSTED,
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

test('DeltaXdsServer answers a type that it does not have once, with nothing', async () => {
  const content = tables()
  const { port, events } = await serve(content, { plaintext: true })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' })
  const answer = await waitFor('the answer', () => got[0])
  expect(brief(answer)).toEqual({
    typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    names: [],
    removed: [],
  })
  stream.write({ typeUrl: answer.typeUrl, nonce: answer.nonce })
  await waitFor('the acknowledgement', () =>
    events.some((event) => event.kind === 'request' && event.outcome === 'ack'),
  )
  stream.write({ typeUrl: ADDRESS_TYPE })
  await waitFor('the next answer', () => got.length === 2)
  expect(got.map(({ typeUrl }) => typeUrl)).toEqual([answer.typeUrl, ADDRESS_TYPE])
})

test('DeltaXdsServer sends a client on demand only what it demanded, and what becomes of it', async () => {
  const content = tables()
  setAddresses(content, [workload('a'), workload('b')])
  const { port } = await serve(content, { plaintext: true })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: ADDRESS_TYPE, subscribe: ['*'], unsubscribe: ['*'] })
  await waitFor('the empty answer', () => got.length === 1)
  stream.write({ typeUrl: ADDRESS_TYPE, subscribe: ['a'] })
  stream.write({ typeUrl: ADDRESS_TYPE, subscribe: ['10.0.0.1'] })
  await waitFor('both answers', () => got.length === 3)
  setAddresses(content, [workload('b', 'n')], ['a'])
  await waitFor('the removal', () => got.length === 4)
  expect(got.map(brief).map(({ names, removed }) => ({ names, removed }))).toEqual([
    { names: [], removed: [] },
    { names: ['a'], removed: [] },
    { names: [], removed: ['10.0.0.1'] },
    { names: [], removed: ['a'] },
  ])
})

test('DeltaXdsServer tells a demand for an address from the name that answers it', async () => {
  const content = tables()
  setAddresses(content, [workload('a')])
  Object.defineProperty(content.addresses, 'resolve', {
    value: (demand: string) => (demand === '/10.0.0.1' ? ['a'] : []),
  })
  const { port } = await serve(content, { plaintext: true })
  const { stream, got, read } = open(port)
  read()
  stream.write({ node, typeUrl: ADDRESS_TYPE, subscribe: ['/10.0.0.1'] })
  const answer = await waitFor('the answer', () => got[0])
  expect(answer.resources.map(({ name, aliases }) => ({ name, aliases }))).toEqual([
    { name: 'a', aliases: ['/10.0.0.1'] },
  ])
})

test('DeltaXdsServer holds a client that does not read to what is in flight, merges the rest, and slows nobody else', async () => {
  const content = tables()
  const { port, events } = await serve(content, { plaintext: true })
  const pushes = (): number => events.filter((event) => event.kind === 'push').length
  const slow = open(port)
  slow.stream.write({ node, typeUrl: ADDRESS_TYPE })
  slow.stream.write({ typeUrl: AUTHORIZATION_TYPE })
  await waitFor('two pushes', () => pushes() === 2)
  const padding = 'x'.repeat(100_000)
  const ROUNDS = 200
  for (let round = 1; round <= ROUNDS; round++) {
    setAddresses(content, [workload('a', `${padding}${round}`), workload(`b${round}`)])
    await new Promise((resolve) => setImmediate(resolve))
  }
  setPolicies(content, [policy('late')])
  const sentUnread = pushes()
  expect(sentUnread).toBeLessThan(60) // sockets take a few megabytes; without the bound it were 202
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
