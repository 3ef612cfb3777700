import { defineService, defineWorkload } from '@ambient/model'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { AddressDemands, AUTHORIZATION_TYPE, nodeGroup } from '../src/index.ts'
import { connect, type Node, serve, setAddresses, type Tables, tables } from './control-plane.ts'

const UID = 'Kubernetes//Pod/shop/web'
const web = (ip: string, node = 'far') =>
  ({
    kind: 'workload',
    workload: defineWorkload({
      uid: UID,
      name: 'web',
      namespace: 'shop',
      node,
      addresses: [ip],
      services: { 'shop/web.example': [] },
    }),
  }) as const
const webService = {
  kind: 'service',
  service: defineService({
    name: 'web',
    namespace: 'shop',
    hostname: 'web.example',
    addresses: [{ network: '', ip: '10.96.0.1' }],
  }),
} as const

interface OnDemand {
  readonly node: Node
  readonly demands: AddressDemands
  /** Every name that was answered, with what the node knew by then. */
  readonly answers: string[]
  readonly dropped: string[]
  answer(name: string): Promise<string>
}

function onDemand(port: number, limits?: { pendingDemands: number; absentDemands: number }): OnDemand {
  const answers: string[] = []
  const dropped: string[] = []
  const demands = new AddressDemands(
    {
      onAnswered: (names) =>
        void answers.push(
          ...names.map((name) => `${name}: ${[...node.addresses.keys()].join() || 'nothing'}`),
        ),
      onDropped: (names) => void dropped.push(...names),
    },
    limits,
  )
  const node = connect(port, { demands })
  const answer = async (name: string): Promise<string> =>
    waitFor(`an answer to ${name}`, () => answers.find((text) => text.startsWith(`${name}: `)))
  return { node, demands, answers, dropped, answer }
}

/** So that the stream is there. */
async function policiesSynced({ node }: OnDemand): Promise<void> {
  await waitFor('the policies', () =>
    node.events.some((event) => event.kind === 'synced' && event.typeUrl === AUTHORIZATION_TYPE),
  )
}

async function control(content: Tables = tables()) {
  setAddresses(content, [web('10.0.0.1'), webService])
  return { content, ...(await serve(content, { scope: { home: nodeGroup('node-a') } })) }
}

test('AddressDemands: nothing comes unasked but what runs on the own node', async () => {
  const { port, content } = await control()
  const client = onDemand(port)
  await policiesSynced(client)
  expect(client.node.addresses.size).toBe(0)
  setAddresses(content, [web('10.0.0.1', 'node-a')])
  await waitFor('the own pod', () => client.node.addresses.has(UID))
  expect(client.answers).toEqual([])
})

test.each([
  { name: '/10.0.0.1', expected: UID },
  { name: UID, expected: UID },
  { name: '/10.96.0.1', expected: `shop/web.example,${UID}` },
  { name: 'shop/web.example', expected: `shop/web.example,${UID}` },
  { name: '/192.0.2.1', expected: 'nothing' },
  { name: 'shop/nobody.example', expected: 'nothing' },
])('AddressDemands: $name is answered once what belongs to it is known: $expected', async (row) => {
  const { port } = await control()
  const client = onDemand(port)
  await policiesSynced(client)
  client.demands.demand(row.name)
  const [, known = ''] = (await client.answer(row.name)).split(': ')
  expect(known.split(',').toSorted()).toEqual(row.expected.split(',').toSorted())
})

test('AddressDemands: asked for twice, sent once; asked for again, answered at once', async () => {
  const { port } = await control()
  const client = onDemand(port)
  await policiesSynced(client)
  client.demands.demand('/10.0.0.1')
  client.demands.demand('/10.0.0.1')
  await client.answer('/10.0.0.1')
  client.demands.demand('/10.0.0.1')
  expect(client.answers).toEqual([`/10.0.0.1: ${UID}`, `/10.0.0.1: ${UID}`])
  expect(client.node.told).toEqual([`-/10.0.0.1 +${UID}`])
})

test('AddressDemands: what was absent is told when it appears, and gone when it goes', async () => {
  const { port, content } = await control()
  const client = onDemand(port)
  client.demands.demand('/10.0.0.9')
  await client.answer('/10.0.0.9')
  setAddresses(content, [web('10.0.0.9')])
  await waitFor('the pod', () => client.node.addresses.has(UID))
  setAddresses(content, [], [UID])
  await waitFor('its end', () => !client.node.addresses.has(UID))
})

test('AddressDemands: a demand waits for a stream, and a new stream asks for all again', async () => {
  const content = tables()
  const first = await serve(content)
  const client = onDemand(first.port)
  client.demands.demand('/10.0.0.1')
  expect(await client.answer('/10.0.0.1')).toBe('/10.0.0.1: nothing')
  await first.stop()
  await waitFor('the end of the stream', () => client.node.events.some(({ kind }) => kind === 'terminated'))
  client.demands.demand('/10.96.0.1')
  setAddresses(content, [web('10.0.0.1'), webService])
  await serve(content, { port: first.port })
  await client.answer('/10.96.0.1')
  // What the control plane learned while it was away, of the first name as well.
  await waitFor('both', () => client.node.addresses.size === 2)
})

test('AddressDemands: of too many absent names the first is let go, and asked for anew', async () => {
  const { port } = await control()
  const client = onDemand(port, { pendingDemands: 10, absentDemands: 2 })
  await policiesSynced(client)
  for (const name of ['/192.0.2.1', '/192.0.2.2', '/192.0.2.3']) {
    client.demands.demand(name)
    await client.answer(name)
  }
  expect([client.dropped, client.demands.names()]).toEqual([['/192.0.2.1'], ['/192.0.2.2', '/192.0.2.3']])
  client.answers.length = 0
  client.demands.demand('/192.0.2.1')
  await client.answer('/192.0.2.1')
})

test('AddressDemands: no more names wait than the limit', () => {
  const limits: string[] = []
  const demands = new AddressDemands(
    { onAnswered: () => {}, onDropped: () => {}, onLimit: (limit) => void limits.push(limit) },
    { pendingDemands: 1, absentDemands: 1 },
  )
  demands.demand('a')
  demands.demand('a')
  demands.demand('b')
  expect([demands.names(), limits]).toEqual([['a'], ['pendingDemands']])
})

test('AddressDemands: a resource that was refused is no answer', () => {
  const answers: string[] = []
  const demands = new AddressDemands({
    onAnswered: (names) => void answers.push(...names),
    onDropped: () => {},
  })
  demands.demand('/10.0.0.1')
  const bad = { name: UID, version: '1', typeUrl: '', bytes: new Uint8Array(), aliases: ['/10.0.0.1'] }
  demands.answered({ resources: [bad], removed: [] }, () => false)
  expect(answers).toEqual([])
  demands.answered({ resources: [bad], removed: [] }, () => true)
  expect(answers).toEqual(['/10.0.0.1'])
})
