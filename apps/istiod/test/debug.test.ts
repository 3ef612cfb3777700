import { openChannel } from '@ambient/grpc'
import { Metadata } from '@grpc/grpc-js'
import { waitFor } from '@ambient/testkit'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from '@ambient/xds'
import {
  decodeClientConfig,
  decodeDeltaResponse,
  decodeReflectionResponse,
  decodeWireAddress,
  decodeWorldResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaResponse,
  encodeDeltaRequest,
  encodeReflectionRequest,
  encodeWorldRequest,
  REFLECTION_PATHS,
  type ReflectionAnswer,
  STREAM_AGGREGATED_PATH,
  type WorldResponse,
} from '@ambient/xds-proto'
import { expect, onTestFinished, test } from 'vitest'
import { type MeshFixture, meshFixture, subscribe, runIstiod } from './mesh-fixture.ts'

const WEB =
  '{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: node-a}, status: {phase: Running, podIP: 10.0.0.1}}'

/** A channel of a tool, and what proves whose it is. */
async function openTool(fixture: MeshFixture, port: number, namespace: string) {
  const client = openChannel({
    address: { host: 'localhost', port, plaintext: false },
    altHostname: 'istiod.istio-system.svc',
    rootsPem: fixture.rootPem(),
    maxMessageBytes: 1 << 20,
  })
  const metadata = new Metadata()
  const token = await fixture.token({ namespace, pod: `tool-${namespace}`, uid: 'u' })
  metadata.set('authorization', `Bearer ${token}`)
  onTestFinished(() => client.close())
  const node = { id: `sidecar~127.0.0.1~tool.${namespace}~${namespace}.svc.cluster.local`, metadata: {} }
  return { client, metadata, node }
}

/** A tool that asks over the variant without deltas. */
async function tool(fixture: MeshFixture, port: number, namespace = 'istio-system') {
  const { client, metadata, node } = await openTool(fixture, port, namespace)
  const stream = client.makeBidiStreamRequest(
    STREAM_AGGREGATED_PATH,
    encodeWorldRequest,
    decodeWorldResponse,
    metadata,
  )
  const got: WorldResponse[] = []
  const failures: unknown[] = []
  stream.on('data', (response: WorldResponse) => got.push(response))
  stream.on('error', (error) => failures.push(error))
  onTestFinished(() => stream.cancel())
  return {
    failures,
    ask: async (typeUrl: string, ...names: readonly string[]): Promise<WorldResponse> => {
      const at = got.length
      stream.write({ node, typeUrl, names, nonce: '' })
      await waitFor('an answer', () => got.length > at || failures.length > 0)
      return got[at] ?? expect.fail(String(failures[0]))
    },
    acknowledge: (typeUrl: string, nonce: string) =>
      void stream.write({ node: undefined, typeUrl, names: [], nonce }),
  }
}

test('startIstiod() answers what istioctl asks over xDS: syncz, a config dump, and every dump by its name', async () => {
  using fixture = await meshFixture()
  fixture.put('web.yaml', WEB)
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  await using client = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token() },
    fixture.logger,
  )
  await waitFor(
    'the client',
    () => client.log.includes('synced Address') && client.log.includes('synced Authorization'),
  )
  const { ask, acknowledge } = await tool(fixture, securePort)

  const sync = await waitFor('a client in sync', async () => {
    const { resources, nonce } = await ask('istio.io/debug/syncz')
    acknowledge('istio.io/debug/syncz', nonce)
    const config = decodeClientConfig(resources[0]?.bytes ?? Buffer.alloc(0))
    return config.types.every(({ status }) => status === 'synced') ? config : undefined
  })
  expect(sync.node.id).toBe('ztunnel~10.0.0.9~ztunnel-a.istio-system~istio-system.svc.cluster.local')
  expect(sync.types.map(({ typeUrl }) => typeUrl).toSorted()).toEqual([AUTHORIZATION_TYPE, ADDRESS_TYPE])

  const dump = await ask('istio.io/debug/config_dump', 'ztunnel-a.istio-system')
  expect(dump.resources.map(({ typeUrl }) => typeUrl)).toEqual([ADDRESS_TYPE])
  expect(decodeWireAddress(dump.resources[0]?.bytes ?? Buffer.alloc(0)).workload?.name).toBe('web')

  const text = async (typeUrl: string, ...names: readonly string[]): Promise<string> => {
    const [resource] = (await ask(typeUrl, ...names)).resources
    expect(resource?.typeUrl).toBe('istio.io/debug')
    return Buffer.from(resource?.bytes ?? []).toString()
  }
  expect(await text('istio.io/debug', 'connections')).toContain('"totalClients":1')
  expect(await text('istio.io/debug', 'config_dump?proxyID=ztunnel-a&types=wds')).toContain('"name":"web"')
  expect(await text('istio.io/debug/ambientz')).toContain('"addresses":["10.0.0.1"]')
})

test.each([
  { name: 'who is of another namespace', namespace: 'shop', typeUrl: 'istio.io/debug/syncz', code: 7 },
  { name: 'a dump that is none', typeUrl: 'istio.io/debug/nothing', code: 5 },
  { name: 'a subscription', typeUrl: ADDRESS_TYPE, code: 12 },
])('startIstiod() refuses over the variant without deltas $name', async ({ namespace, typeUrl, code }) => {
  using fixture = await meshFixture()
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  const { ask, failures } = await tool(fixture, securePort, namespace)
  await expect(ask(typeUrl)).rejects.toThrow(`${code} `)
  expect(failures[0]).toMatchObject({ code })
})

test('startIstiod() answers the same over deltas to who subscribes to nothing, and beside a subscription', async () => {
  using fixture = await meshFixture()
  fixture.put('web.yaml', WEB)
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  const { client, metadata, node } = await openTool(fixture, securePort, 'istio-system')
  const stream = client.makeBidiStreamRequest(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    decodeDeltaResponse,
    metadata,
  )
  const got: DeltaResponse[] = []
  stream.on('data', (response: DeltaResponse) => got.push(response))
  stream.on('error', () => {}) // cancelled below
  onTestFinished(() => stream.cancel())
  const ask = (typeUrl: string, ...names: readonly string[]): Promise<DeltaResponse> => {
    const at = got.length
    stream.write({ node, typeUrl, subscribe: names })
    return waitFor('an answer', () => got[at])
  }
  const list = await ask('istio.io/debug', 'list')
  expect(list).toMatchObject({ typeUrl: 'istio.io/debug', removed: [], resources: [{ name: 'list' }] })
  expect(Buffer.from(list.resources[0]?.bytes ?? []).toString()).toContain('"ambientz"')
  expect((await ask('istio.io/debug/syncz')).resources).toEqual([]) // no client yet
  expect((await ask(ADDRESS_TYPE)).resources.map(({ name }) => name)).toEqual(['Kubernetes//Pod/shop/web'])
  stream.write({ typeUrl: 'istio.io/debug', nonce: list.nonce }) // an acknowledgement, which nobody answers
  const sync = await ask('istio.io/debug/syncz')
  expect(sync.resources.map(({ name }) => name)).toEqual([node.id])
  expect(decodeClientConfig(sync.resources[0]?.bytes ?? Buffer.alloc(0)).types[0]?.typeUrl).toBe(ADDRESS_TYPE)
  expect(got).toHaveLength(4)
})

test('startIstiod() tells by reflection which services its secure port has, to callers without a token too', async () => {
  using fixture = await meshFixture()
  await using istiod = await runIstiod(fixture)
  const { client } = await openTool(fixture, (await istiod.serving).securePort, 'shop')
  const stream = client.makeBidiStreamRequest(
    REFLECTION_PATHS[0],
    encodeReflectionRequest,
    decodeReflectionResponse,
  )
  const answers: ReflectionAnswer[] = []
  stream.on('data', (answer: ReflectionAnswer) => answers.push(answer))
  const failures: unknown[] = []
  stream.on('error', (error) => failures.push(error)) // at the latest when the test ends
  stream.write({ kind: 'services' })
  await waitFor('the list', () => answers.length + failures.length > 0)
  expect(failures).toEqual([])
  expect(answers[0]).toEqual({
    kind: 'services',
    names: [
      'envoy.service.discovery.v3.AggregatedDiscoveryService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'istio.v1.auth.IstioCertificateService',
    ],
  })
})
