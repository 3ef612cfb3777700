/** The whole process with XDS_ON_DEMAND: it knows its own pods, and of the others only who is dialled. */
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { openPods, textOf } from './pod-net.ts'
import { TestNode } from './test-node.ts'

requireRoot()

const client = pod('client', { node: 'node1', addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', { node: 'node1', addresses: ['10.0.0.2'], serviceAccount: 'web' })
const away = pod('away', {
  node: 'node2',
  addresses: ['10.0.0.3'],
  tunnelProtocol: 'none',
  ...serves('far', [80, 8080]),
})
const other = pod('other', { node: 'node2', addresses: ['10.0.0.4'], tunnelProtocol: 'none' })

let pods: Awaited<ReturnType<typeof open>>
let node: TestNode

async function open() {
  return openPods([
    { name: 'home', ip: '10.0.255.1' },
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'away', ip: '10.0.0.3' },
  ])
}

beforeAll(async () => {
  pods = await open()
  node = await TestNode.open(pods.home, { XDS_ON_DEMAND: 'true' })
  const far = service('far', { addresses: [at('10.96.0.1')], ports: [port(80, 8080)] })
  node.push(client, web, away, other, far)
  await node.enrol(pods.client, client)
  await node.enrol(pods.web, web)
  for (const each of [pods.web, pods.away]) each.listen(8080)
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  pods[Symbol.dispose]()
})

function known(): readonly string[] {
  const dump = JSON.parse(node.get(15_000, '/config_dump')) as {
    readonly workloads: readonly { readonly name: string }[]
    readonly services: readonly { readonly name: string }[]
  }
  return [...dump.workloads, ...dump.services].map(({ name }) => name).toSorted()
}

async function say(text: string, ip: string, toPort: number): Promise<string> {
  const socket = await node.dial(pods.client, ip, toPort)
  socket.end(text)
  return textOf(socket)
}

test('what is dialled becomes known, and nothing else', async () => {
  await waitFor('its own pods to be known', () => known().join() === 'client,web')
  expect(await say('near', '10.0.0.2', 8080)).toBe('near')
  await node.logged('connection complete', { direction: 'outbound', 'dst.workload': 'web' })
  expect(known()).toEqual(['client', 'web'])
  expect(await say('far', '10.96.0.1', 80)).toBe('far')
  await node.logged('connection complete', { 'dst.service': 'far', 'dst.workload': 'away' })
  expect(known()).toEqual(['away', 'client', 'far', 'web'])
})
