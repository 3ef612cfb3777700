/** The first line, told as a story: real istiod, real ztunnels, real kernel networking, real curl and nginx. */
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allowYaml } from '../mesh/manifests.ts'
import { run } from '../mesh/processes.ts'
import { MARKER, PRINCIPAL, SmallMesh } from '../mesh/small-mesh.ts'
import { WireCapture } from '../mesh/wire.ts'

const ANSWER = `${MARKER} from 10.99.0.21\n`
let mesh: SmallMesh

beforeAll(async () => {
  requireRoot()
  mesh = await SmallMesh.up('ambt')
})
afterAll(async () => {
  await mesh?.[Symbol.asyncDispose]()
})

function capture(name: string): Promise<WireCapture> {
  return WireCapture.start(mesh.namespaces.fabric, mesh.directory, name)
}

const isHbone = (packet: string): boolean => /\.15008[ :]/.test(packet)

test('before enrolment curl works and its answer is readable on the link', async () => {
  const wire = await capture('before')
  expect(await mesh.curl('client')).toBe(ANSWER)
  const { markers, podPackets } = await wire.stop(MARKER)
  expect(markers).toBeGreaterThan(0)
  expect(podPackets.some(isHbone)).toBe(false)
})

test('enrolment: the same curl works with no restart', async () => {
  for (const pod of ['client', 'other', 'server'] as const) await mesh.enrol(pod)
  await waitFor('the mesh to carry the connection', async () => {
    expect(await mesh.curl('client')).toBe(ANSWER)
    return mesh.log('ztunnel@n2').includes('direction="inbound"')
  })
})

test('inside the mesh the link carries HBONE only, and nginx sees the client itself', async () => {
  const wire = await capture('inside')
  for (let i = 0; i < 20; i++) expect(await mesh.curl('client')).toBe(ANSWER)
  const { markers, podPackets } = await wire.stop(MARKER)
  expect(markers).toBe(0)
  expect(podPackets.length).toBeGreaterThan(20)
  expect(podPackets.filter((packet) => !isHbone(packet))).toEqual([])
})

test('both ends name both SPIFFE IDs', async () => {
  for (const node of ['ztunnel@n1', 'ztunnel@n2']) {
    const line = await waitFor(`a finished connection in the log of ${node}`, () =>
      mesh
        .log(node)
        .split('\n')
        .findLast((text) => text.includes('connection complete') && text.includes('10.99.0.21')),
    )
    expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
    expect(line).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/server"')
  }
})

test('a policy that allows one account refuses the other at once and says so; taken away, traffic follows', async () => {
  mesh.apply('allow.yaml', allowYaml('only-client', 'shop', PRINCIPAL('client')))
  await waitFor('the other account to be refused', async () =>
    (await mesh.curl('other')).startsWith('curl failed'),
  )
  expect(await mesh.curl('client')).toBe(ANSWER)
  await waitFor('the refusal in the log', () =>
    mesh.log('ztunnel@n2').includes('reason="NO_ALLOW_POLICY_MATCHED"'),
  )
  mesh.remove('allow.yaml')
  await waitFor(
    'the other account to be let in again',
    async () => (await mesh.curl('other')) === `${MARKER} from 10.99.0.22\n`,
  )
})

test('a DENY policy is named in the log', async () => {
  const deny = allowYaml('no-other', 'shop', PRINCIPAL('other')).replace('ALLOW', 'DENY')
  mesh.apply('deny.yaml', deny)
  await waitFor('the other account to be refused', async () =>
    (await mesh.curl('other')).startsWith('curl failed'),
  )
  await waitFor('the policy in the log', () =>
    mesh.log('ztunnel@n2').includes('explicitly denied by: shop/no-other'),
  )
  mesh.remove('deny.yaml')
  await waitFor('the other account to be let in again', async () =>
    (await mesh.curl('other')).startsWith(MARKER),
  )
})

test('the standard counters count the connections', async () => {
  const text = await waitFor('the counters of the source node', async () => {
    const metrics = await mesh.metrics('n1')
    return metrics.includes('istio_tcp_connections_closed_total') ? metrics : undefined
  })
  const line = text
    .split('\n')
    .find(
      (row) =>
        row.startsWith('istio_tcp_connections_opened_total') &&
        row.includes('sa/client') &&
        row.includes('mutual_tls'),
    )
  expect(line).toContain('destination_principal="spiffe://cluster.local/ns/shop/sa/server"')
  expect(Number(line?.split(' ').at(-1))).toBeGreaterThanOrEqual(20)
})

test('istiod away: existing nodes go on, for new connections too', async () => {
  await mesh.process('istiod').stop('SIGKILL')
  expect(await mesh.curl('client')).toBe(ANSWER)
  expect(await mesh.curl('other')).toBe(`${MARKER} from 10.99.0.22\n`)
  await mesh.startIstiod()
})

test('a ztunnel killed under traffic: nothing in the clear meanwhile, and traffic comes back with it', async () => {
  const wire = await capture('killed')
  await mesh.process('ztunnel@n1').stop('SIGKILL')
  for (let i = 0; i < 5; i++) expect(await mesh.curl('client')).toMatch(/^curl failed/)
  await mesh.startNode('n1')
  await waitFor('traffic after the restart', async () => (await mesh.curl('client')) === ANSWER)
  const { markers, podPackets } = await wire.stop(MARKER)
  expect(markers).toBe(0)
  expect(podPackets.filter((packet) => !isHbone(packet))).toEqual([])
})

test('an unenrolled peer comes in the clear, without identity, and STRICT-like policy keeps it out', async () => {
  const plain = await run(mesh.namespaces.fabric, [
    'curl',
    '-sS',
    '--max-time',
    '5',
    'http://10.99.0.23:8080/',
  ])
  expect(plain.stdout).toBe(`${MARKER} from 10.99.0.1\n`)
  mesh.apply('allow.yaml', allowYaml('only-client', 'shop', PRINCIPAL('client')))
  await waitFor(
    'the plain peer to be refused',
    async () =>
      (await run(mesh.namespaces.fabric, ['curl', '-sS', '--max-time', '5', 'http://10.99.0.23:8080/']))
        .code !== 0,
  )
  expect(await mesh.curl('client')).toBe(ANSWER)
  mesh.remove('allow.yaml')
})
