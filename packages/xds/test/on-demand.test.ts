import { type Address, defineService, defineWorkload, type Workload } from '@ambient/model'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { ADDRESS_TYPE, nodeGroup } from '../src/index.ts'
import { serve, setAddresses, tables } from './control-plane.ts'
import { namesOf, node, open, type Told } from './raw-client.ts'

const pod = (name: string, known: Partial<Workload> = {}): Address => ({
  kind: 'workload',
  workload: defineWorkload({ uid: `k//Pod/shop/${name}`, name, namespace: 'shop', ...known }),
})
const inDb = { services: { 'shop/db.example': [] } }
const db: Address = {
  kind: 'service',
  service: defineService({
    name: 'db',
    namespace: 'shop',
    hostname: 'db.example',
    addresses: [{ network: '', ip: '10.96.0.1' }],
  }),
}

/** A client on demand of node-a, past its first and empty answer. */
async function onDemand(content: ReturnType<typeof tables>) {
  const { port } = await serve(content, { plaintext: true, scope: { home: nodeGroup('node-a') } })
  const client = open(port)
  client.read()
  client.stream.write({ node, typeUrl: ADDRESS_TYPE, subscribe: ['*'], unsubscribe: ['*'] })
  await waitFor('the first answer', () => client.got.length === 1)
  const next = async (): Promise<Told> => {
    const at = client.got.length
    return namesOf(await waitFor('the next response', () => client.got[at]))
  }
  const demand = (name: string): Promise<Told> => {
    client.stream.write({ typeUrl: ADDRESS_TYPE, subscribe: [name] })
    return next()
  }
  return { ...client, demand, next }
}

test('DeltaXdsServer sends a client on demand what it demanded, what belongs to it, and what becomes of it', async () => {
  const content = tables()
  setAddresses(content, [
    pod('a', { addresses: ['10.0.0.1'] }),
    pod('b', { addresses: ['10.0.0.2'], ...inDb }),
    pod('c', { addresses: ['10.0.0.3'] }),
    db,
  ])
  const { got, demand, next } = await onDemand(content)
  expect(got.map(namesOf)).toEqual([{ names: [], removed: [] }])
  expect(await demand('k//Pod/shop/c')).toEqual({ names: ['k//Pod/shop/c'], removed: [] })
  // Under an address: the workload, told of as an alias, and that nothing has the address for its name.
  expect(await demand('/10.0.0.1')).toEqual({ names: ['k//Pod/shop/a'], removed: ['/10.0.0.1'] })
  expect(got.at(-1)?.resources[0]?.aliases).toEqual(['/10.0.0.1'])
  // Under a virtual IP: the service and the workloads behind it.
  expect(await demand('/10.96.0.1')).toEqual({
    names: ['shop/db.example', 'k//Pod/shop/b'],
    removed: ['/10.96.0.1'],
  })
  expect(await demand('shop/nobody.example')).toEqual({ names: [], removed: ['shop/nobody.example'] })
  expect(await demand('/10.0.0.9')).toEqual({ names: [], removed: ['/10.0.0.9'] })

  setAddresses(content, [pod('d', { addresses: ['10.0.0.4'], ...inDb }), pod('e')])
  expect(await next()).toEqual({ names: ['k//Pod/shop/d'], removed: [] }) // joins the service
  setAddresses(content, [pod('f', { addresses: ['10.0.0.9'] })])
  expect(await next()).toEqual({ names: ['k//Pod/shop/f'], removed: [] }) // takes the address
  setAddresses(content, [pod('a', { network: 'n' })], ['k//Pod/shop/b', 'k//Pod/shop/e'])
  expect(await next()).toEqual({ names: ['k//Pod/shop/a'], removed: ['k//Pod/shop/b'] })
})

test('DeltaXdsServer always tells a client on demand of the workloads on its own node', async () => {
  const content = tables()
  setAddresses(content, [pod('here', { node: 'node-a' }), pod('there', { node: 'node-b' })])
  const { got, next } = await onDemand(content)
  expect(got.map(namesOf)).toEqual([{ names: ['k//Pod/shop/here'], removed: [] }])
  setAddresses(content, [pod('new', { node: 'node-a' }), pod('other', { node: 'node-b' })])
  expect(await next()).toEqual({ names: ['k//Pod/shop/new'], removed: [] })
})

test('DeltaXdsServer does not find a workload on the host’s network by its address', async () => {
  const content = tables()
  setAddresses(content, [pod('host', { addresses: ['192.168.0.1'], networkMode: 'host-network' })])
  const { demand } = await onDemand(content)
  expect(await demand('/192.168.0.1')).toEqual({ names: [], removed: ['/192.168.0.1'] })
})

test('DeltaXdsServer resumes a client on demand with what it holds, demands that found nothing included', async () => {
  const content = tables()
  setAddresses(content, [pod('a'), pod('b', inDb), pod('c', inDb), db])
  const versions = Object.fromEntries(
    [...content.addresses.names()].map((name) => [name, content.addresses.get(name)?.version ?? '']),
  )
  const { port } = await serve(content, { plaintext: true })
  const client = open(port)
  client.read()
  client.stream.write({
    node,
    typeUrl: ADDRESS_TYPE,
    subscribe: ['*'],
    unsubscribe: ['*'],
    initialVersions: {
      'k//Pod/shop/b': versions['k//Pod/shop/b'] ?? '',
      'shop/db.example': versions['shop/db.example'] ?? '',
      'k//Pod/shop/gone': 'old',
      '/10.0.0.9': '',
    },
  })
  const answer = await waitFor('the answer', () => client.got[0])
  expect(namesOf(answer)).toEqual({
    names: ['k//Pod/shop/c'],
    removed: ['k//Pod/shop/gone', '/10.0.0.9'],
  })
})
