import { CaClient } from '@ambient/ca-client'
import { systemClock } from '@ambient/lifecycle'
import { parseSpiffeId } from '@ambient/spiffe'
import { testCa, waitFor } from '@ambient/testkit'
import { AUTHORIZATION_TYPE } from '@ambient/xds'
import {
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { ChannelCredentials, Client } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import type { Istiod } from '../src/istiod.ts'
import { type MeshFixture, meshFixture, runIstiod } from './mesh-fixture.ts'

const ZTUNNEL = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel'
const pod = (name: string, namespace: string, node: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: ${namespace}, uid: uid-${name}, labels: {app: ${name}}}, spec: {nodeName: ${node}, serviceAccountName: ${name}}, status: {phase: Running, podIP: 10.0.0.1}}`
const policy = (name: string, namespace: string, app?: string): string =>
  `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ${name}, namespace: ${namespace}}, spec: {${app === undefined ? '' : `selector: {matchLabels: {app: ${app}}}`}}}`

const MESH = [
  pod('ztunnel-a', 'istio-system', 'node-a').replace('Name: ztunnel-a', 'Name: ztunnel'),
  pod('web', 'shop', 'node-a'),
  pod('db', 'shop', 'node-b'),
  pod('job', 'batch', 'node-b'),
  policy('everywhere', 'istio-system'),
  policy('shop', 'shop'),
  policy('web', 'shop', 'web'),
  policy('db', 'shop', 'db'),
  policy('batch', 'batch'),
  policy('nobody', 'shop', 'nobody'),
].join('\n---\n')

interface KeyPair {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
}

async function start(fixture: MeshFixture): Promise<Istiod & { readonly port: number }> {
  fixture.put('mesh.yaml', MESH)
  const istiod = await runIstiod(fixture)
  return { ...istiod, port: (await istiod.serving).securePort }
}

/** The certificate of the ztunnel on node-a, which it gets with its token. */
async function ztunnelIdentity(fixture: MeshFixture, port: number): Promise<KeyPair> {
  using client = new CaClient({
    address: { host: 'localhost', port, plaintext: false },
    roots: () => Promise.resolve(fixture.rootPem()),
    altHostname: undefined,
    token: () => fixture.token(),
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: 3_600,
    clock: systemClock,
  })
  return await client.requestCertificate(parseSpiffeId(ZTUNNEL), new AbortController().signal)
}

/** Asks for policies as the ztunnel of `node`, with a certificate and no token. @returns their names, or the refusal */
async function policiesBy(
  { certificateChainPem, privateKeyPem }: KeyPair,
  { fixture, port, node }: { readonly fixture: MeshFixture; readonly port: number; readonly node: string },
): Promise<readonly string[]> {
  const [roots, key, chain] = [fixture.rootPem(), privateKeyPem, certificateChainPem].map((pem) =>
    Buffer.from(pem),
  )
  const client = new Client(`localhost:${port}`, ChannelCredentials.createSsl(roots, key, chain))
  onTestFinished(() => client.close())
  const stream = client.makeBidiStreamRequest<Partial<DeltaRequest> & { typeUrl: string }, DeltaResponse>(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    decodeDeltaResponse,
  )
  const seen: (readonly string[])[] = []
  stream.on('data', ({ resources }: DeltaResponse) => seen.push(resources.map(({ name }) => name)))
  stream.on('error', (error: Error) => seen.push([error.message]))
  const id = 'ztunnel~10.0.0.9~ztunnel-a.istio-system~istio-system.svc.cluster.local'
  stream.write({ typeUrl: AUTHORIZATION_TYPE, node: { id, metadata: { NODE_NAME: node } } })
  const [first = []] = await waitFor('an answer', () => (seen.length > 0 ? seen : undefined))
  stream.cancel()
  return first.toSorted()
}

test('startIstiod() knows a ztunnel by its certificate as by a token: three of six policies are for its node', async () => {
  using fixture = await meshFixture()
  await using istiod = await start(fixture)
  const { port } = istiod
  const identity = await ztunnelIdentity(fixture, port)
  expect(await policiesBy(identity, { fixture, port, node: 'node-a' })).toEqual([
    'istio-system/everywhere',
    'shop/shop',
    'shop/web',
  ])
  const elsewhere = await policiesBy(identity, { fixture, port, node: 'node-b' })
  expect(elsewhere).toEqual([expect.stringContaining('14 UNAVAILABLE: the caller’s node is not known')])
})

test('startIstiod() takes nobody’s word whose certificate another CA issued', async () => {
  using fixture = await meshFixture()
  await using istiod = await start(fixture)
  const strangers = await testCa('strangers')
  const forged = await strangers.issue({ uris: [ZTUNNEL] })
  expect(await policiesBy(forged, { fixture, port: istiod.port, node: 'node-a' })).toEqual([
    '16 UNAUTHENTICATED: authentication failed',
  ])
  expect(fixture.lines.join('\n')).toContain('TOKEN_MISSING')
})
