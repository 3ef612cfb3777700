import { CaClient } from '@ambient/ca-client'
import { parseSpiffeId, readCertificate } from '@ambient/spiffe'
import { waitFor } from '@ambient/testkit'
import { systemClock } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import type { Istiod } from '../src/istiod.ts'
import {
  type MeshFixture,
  meshFixture,
  type Subscriber,
  subscribe,
  type TokenFacts,
  runIstiod,
} from './mesh-fixture.ts'

function pod(name: string, ip: string, more: { labels?: string; annotations?: string } = {}): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, uid: uid-${name}, labels: {app: ${name}${more.labels ?? ''}}, annotations: {${more.annotations ?? ''}}}
spec: {nodeName: node-a, serviceAccountName: ${name}, containers: [{name: app}]}
status: {phase: Running, podIP: ${ip}, conditions: [{type: Ready, status: "True"}]}
`
}

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-web, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}
`

async function connect(istiod: Istiod, fixture: MeshFixture): Promise<Subscriber> {
  const { securePort } = await istiod.serving
  const subscriber = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token() },
    fixture.logger,
  )
  await waitFor(
    'both types to be synced',
    () => subscriber.log.includes('synced Address') && subscriber.log.includes('synced Authorization'),
  )
  return subscriber
}

async function get(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return `${response.status} ${await response.text()}`
}

test('startIstiod() sends workloads, services and policies, and a change within 50 ms, or three times that on a busy machine', async () => {
  using fixture = await meshFixture()
  fixture.put('web.yaml', pod('web', '10.0.0.1'))
  fixture.put(
    'db.yaml',
    `${pod('db', '10.0.0.2')}---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: {clusterIP: 10.96.0.1, selector: {app: db}, ports: [{port: 6379}]}\n`,
  )
  fixture.put('policy.yaml', POLICY)
  await using istiod = await runIstiod(fixture)
  await using client = await connect(istiod, fixture)
  expect([...client.addresses.keys()].toSorted()).toEqual([
    'Kubernetes//Pod/shop/db',
    'Kubernetes//Pod/shop/web',
    'shop/db.shop.svc.cluster.local',
  ])
  expect(client.addresses.get('Kubernetes//Pod/shop/db')).toMatchObject({
    workload: {
      authorizationPolicies: ['shop/only-web'],
      services: { 'shop/db.shop.svc.cluster.local': [{ servicePort: 6379 }] },
      tunnelProtocol: 'none',
    },
  })
  expect([...client.policies.keys()]).toEqual(['shop/only-web'])
  const tookMs: number[] = []
  for (let n = 0; n < 20; n++) {
    const startMs = performance.now()
    fixture.put(
      'web.yaml',
      pod('web', '10.0.0.1', {
        labels: `, version: v${n}`,
        annotations: n % 2 === 0 ? 'ambient.istio.io/redirection: enabled' : '',
      }),
    )
    const expected = {
      workload: { canonicalRevision: `v${n}`, tunnelProtocol: n % 2 === 0 ? 'hbone' : 'none' },
    }
    await expect
      .poll(() => client.addresses.get('Kubernetes//Pod/shop/web'), { interval: 1, timeout: 10_000 })
      .toMatchObject(expected)
    tookMs.push(performance.now() - startMs)
  }
  tookMs.sort((a, b) => a - b)
  process.stdout.write(
    `change of a file to a client: median ${tookMs[10]?.toFixed(1)} ms, worst ${tookMs.at(-1)?.toFixed(1)} ms\n`,
  )
  expect(tookMs[10]).toBeLessThan(150)
})

test('startIstiod() resumes a client after a restart without sending again what it has', async () => {
  using fixture = await meshFixture()
  fixture.put('web.yaml', pod('web', '10.0.0.1'))
  fixture.put('db.yaml', pod('db', '10.0.0.2'))
  fixture.put('policy.yaml', POLICY)
  let istiod = await runIstiod(fixture)
  let { securePort } = await istiod.serving
  await using client = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token() },
    fixture.logger,
  )
  await waitFor(
    'both types to be synced',
    () => client.log.filter((entry) => entry.startsWith('synced')).length === 2,
  )
  await istiod[Symbol.asyncDispose]()
  await waitFor('the stream to end', () => client.log.some((entry) => entry.startsWith('ended')))
  client.log.length = 0
  fixture.put('db.yaml', '')
  fixture.put('new.yaml', pod('new', '10.0.0.3'))
  istiod = await runIstiod(fixture)
  await using running = istiod
  ;({ securePort } = await running.serving)
  await waitFor('what is new', () => client.log.includes('removed shop/only-web'), { deadlineMs: 20_000 })
  expect(client.log.filter((entry) => !entry.startsWith('ended'))).toEqual([
    'sent new',
    'removed Kubernetes//Pod/shop/db',
    'removed shop/only-web', // no pod of this node has it any more
  ])
})

test.each([
  { name: 'another audience', token: { audience: 'kubernetes' } },
  { name: 'no pod', token: { uid: '' } },
])('startIstiod() refuses a client whose token is for $name, and logs why', async ({ token }) => {
  using fixture = await meshFixture()
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  await using client = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token(token) },
    fixture.logger,
  )
  await waitFor('the refusal', () => client.log.includes('ended Error'))
  expect(client.log.some((entry) => entry.startsWith('synced'))).toBe(false)
  expect(fixture.lines.join('\n')).toContain('TOKEN_INVALID')
})

test('startIstiod() is not ready before a file that was never good is corrected, and tells which', async () => {
  using fixture = await meshFixture()
  fixture.put('db.yaml', pod('db', '10.0.0.2'))
  fixture.put('policy.yaml', 'kind: [')
  await using istiod = await runIstiod(fixture)
  await expect
    .poll(() => get(istiod.httpPort, '/ready'), { timeout: 10_000 })
    .toContain('503 starting: Cannot read policy.yaml: line 1')
  const nothing = Promise.resolve('no secure port')
  expect(await Promise.race([istiod.serving, nothing])).toBe('no secure port')
  fixture.put('policy.yaml', POLICY)
  await using client = await connect(istiod, fixture)
  expect(await get(istiod.httpPort, '/ready')).toBe('200 ready\n')
  expect(client.policies.size).toBe(1)
  fixture.put('other.yaml', 'kind: [') // one that comes later disturbs nobody
  await waitFor('the error in the log', () => fixture.lines.some((line) => line.includes('other.yaml')))
  expect(await get(istiod.httpPort, '/ready')).toBe('200 ready\n')
})

test('startIstiod() sends a policy before the workload that names it, and takes it away after', async () => {
  using fixture = await meshFixture()
  fixture.put('db.yaml', pod('db', '10.0.0.2'))
  await using istiod = await runIstiod(fixture)
  await using client = await connect(istiod, fixture)
  client.log.length = 0
  fixture.put('policy.yaml', POLICY)
  await waitFor('policy and workload', () => client.log.length === 2)
  expect(client.log).toEqual(['sent only-web', 'sent db'])
  client.log.length = 0
  fixture.put('policy.yaml', '')
  await waitFor('workload and policy', () => client.log.length === 2)
  expect(client.log).toEqual(['sent db', 'removed shop/only-web'])
})

const onNodeB = (yaml: string): string => yaml.replace('nodeName: node-a', 'nodeName: node-b')

test('startIstiod() tells a node proxy of the policies of its own node only, each before the pod that brings it', async () => {
  using fixture = await meshFixture()
  fixture.put('policy.yaml', POLICY)
  fixture.put('db.yaml', onNodeB(pod('db', '10.0.0.2')))
  await using istiod = await runIstiod(fixture)
  await using client = await connect(istiod, fixture)
  expect([...client.addresses.keys()]).toEqual(['Kubernetes//Pod/shop/db'])
  expect(client.policies.size).toBe(0)
  client.log.length = 0
  fixture.put('db2.yaml', pod('db2', '10.0.0.3').replace('app: db2', 'app: db'))
  await waitFor('policy and workload', () => client.log.length === 2)
  expect(client.log).toEqual(['sent only-web', 'sent db2'])
  client.log.length = 0
  fixture.put('db2.yaml', '')
  await waitFor('both to go', () => client.log.length === 2)
  expect(client.log).toEqual(['removed Kubernetes//Pod/shop/db2', 'removed shop/only-web'])
})

test.each([
  { name: 'another node', node: 'node-b', outcome: 'ended Error', reason: 'NODE_NOT_CALLERS' },
  {
    name: 'a pod on no known node',
    token: { pod: 'unknown', uid: 'u', node: '' },
    outcome: 'ended ConnectionError',
    reason: 'NODE_UNKNOWN',
  },
])(
  'startIstiod() refuses a node proxy of $name',
  async ({ node = 'node-a', token = {}, outcome, reason }) => {
    using fixture = await meshFixture()
    await using istiod = await runIstiod(fixture)
    const { securePort } = await istiod.serving
    await using client = subscribe(
      { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token(token), node },
      fixture.logger,
    )
    await waitFor('the refusal', () => client.log.includes(outcome))
    expect(client.log.some((entry) => entry.startsWith('synced'))).toBe(false)
    expect(fixture.lines.join('\n')).toContain(reason)
  },
)

test('startIstiod() serves metrics, version and dumps', async () => {
  using fixture = await meshFixture()
  fixture.put('web.yaml', pod('web', '10.0.0.1'))
  await using istiod = await runIstiod(fixture)
  await using client = await connect(istiod, fixture)
  expect(client.addresses.size).toBe(1)
  const metrics = await get(istiod.monitoringPort, '/metrics')
  expect(metrics).toContain('pilot_xds{version="unknown"} 1')
  expect(metrics).toContain('pilot_xds_pushes{type="wds"} 1')
  expect(metrics).toContain('pilot_k8s_reg_events{type="Pods",event="add"} 1')
  expect(metrics).toContain('pilot_push_triggers{type="proxyrequest"} 2')
  expect(metrics).toMatch(/pilot_xds_push_time_count\{type="wds"\} 1/)
  expect(metrics).toContain('ambient_collection_recomputed_total{collection="pod workloads"} 1')
  expect(metrics).toMatch(/^process_cpu_seconds_total [\d.]+$/m)
  expect(metrics).toMatch(/^process_resident_memory_bytes \d{8,}$/m)
  expect(await get(istiod.monitoringPort, '/version')).toBe('200 test\n')
  expect(await get(istiod.monitoringPort, '/debug/syncz')).toContain('"proxy":"ztunnel-a.istio-system"')
  expect(await get(istiod.httpPort, '/debug/ambientz')).toContain('"uid":"Kubernetes//Pod/shop/web"')
})

test('startIstiod() names a path that cannot be used', async () => {
  using fixture = await meshFixture(['--jwks', '/nowhere/jwks.json'])
  await expect(runIstiod(fixture)).rejects.toThrow('Cannot read key set /nowhere/jwks.json: ENOENT')
  using other = await meshFixture(['--config-dir', '/nowhere/config'])
  await expect(runIstiod(other)).rejects.toThrow('Cannot read /nowhere/config: it is not a directory')
})

const ZTUNNEL_PODS = `apiVersion: v1
kind: Pod
metadata: {name: ztunnel-a, namespace: istio-system, uid: uid-ztunnel-a}
spec: {nodeName: node-a, serviceAccountName: ztunnel, containers: [{name: ztunnel}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ztunnel-b, namespace: istio-system, uid: uid-ztunnel-b}
spec: {nodeName: node-b, serviceAccountName: ztunnel, containers: [{name: ztunnel}]}
`

test('startIstiod() issues certificates for pods on the caller’s node and refuses all others', async () => {
  using fixture = await meshFixture()
  fixture.put('ztunnels.yaml', ZTUNNEL_PODS)
  fixture.put('web.yaml', pod('web', '10.0.0.1'))
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  const request = async (of: Partial<TokenFacts>, account = 'web'): Promise<string> => {
    using client = new CaClient({
      address: { host: 'localhost', port: securePort, plaintext: false },
      roots: () => Promise.resolve(fixture.rootPem()),
      altHostname: 'istiod.istio-system.svc',
      token: () => fixture.token(of),
      headers: {},
      clusterId: 'Kubernetes',
      ttlSeconds: 3_600,
      clock: systemClock,
    })
    const id = parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${account}`)
    return await client.requestCertificate(id, new AbortController().signal).then(
      (svid) => readCertificate(svid.certificateChainPem).uris.join(),
      (cause: unknown) => String(cause),
    )
  }
  const nodeB = { pod: 'ztunnel-b', uid: 'uid-ztunnel-b', node: 'node-b' }
  expect(await request({})).toBe('spiffe://cluster.local/ns/shop/sa/web')
  const refused: unknown = expect.stringMatching(/^Error: 16 UNAUTHENTICATED: request authenticate failure$/)
  expect(await request(nodeB)).toEqual(refused)
  expect(await request({}, 'nobody')).toEqual(refused)
  expect(await request({ namespace: 'shop', account: 'web', pod: 'web', uid: 'uid-web' }, 'other')).toEqual(
    refused,
  )
  expect(await request({ audience: 'kubernetes' })).toEqual(refused)
  fixture.put('db.yaml', pod('db', '10.0.0.2')) // a pod that has just started: the next try gets it
  await waitFor(
    'the new pod’s certificate',
    async () => (await request({}, 'db')) === 'spiffe://cluster.local/ns/shop/sa/db',
  )
  const reasons = ['IDENTITY_NOT_ON_NODE', 'CALLER_NOT_TRUSTED', 'TOKEN_INVALID']
  expect(reasons.filter((reason) => fixture.lines.some((line) => line.includes(reason)))).toEqual(reasons)
  expect(await get(istiod.monitoringPort, '/metrics')).toContain(
    'citadel_server_success_cert_issuance_count 2',
  )
})
