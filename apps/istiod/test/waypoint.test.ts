import { objectsFromYaml } from '@ambient/kube'
import { installExtras, testCa } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inlineBootstrap } from './inline-bootstrap.ts'
import { podIp, startWaypoint, type WaypointFixture } from './waypoint-fixture.ts'
import { waypointOfObjects } from './waypoint-objects.ts'

const SETUP_MS = 180_000
const TEST_MS = 30_000

const WEB = '10.96.0.10:80'
const FREE = '10.96.0.11:80'
const STOLEN = '10.96.0.12:80'
const DATABASE = '10.96.0.13:5432'
const OPEN_DATABASE = '10.96.0.14:5432'

const service = (name: string, ip: string, port: string): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${ip}, selector: {app: ${name}}, ports: [${port}]}
`
const pod = (name: string, ip: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}, annotations: {ambient.istio.io/redirection: enabled}}
spec: {serviceAccountName: ${name}, containers: [{name: app}]}
status: {phase: Running, podIP: ${ip}, conditions: [{type: Ready, status: 'True'}]}
`
const policy = (name: string, target: string, rest: string): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop}
spec: {targetRefs: [{kind: Service, name: ${target}}], ${rest}}
`

const MESH = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/use-waypoint: waypoint}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
status: {addresses: [{type: Hostname, value: waypoint.shop.svc.cluster.local}]}
${service('web', '10.96.0.10', '{name: http, port: 80, targetPort: 8080}')}${pod('web', podIp(21))}
${service('free', '10.96.0.11', '{name: http, port: 80}')}${pod('free', podIp(22))}
${service('stolen', '10.96.0.12', '{name: http, port: 80}')}${pod('stolen', podIp(23))}
${service('db', '10.96.0.13', '{name: tcp, port: 5432}')}${pod('db', podIp(24))}
${service('open-db', '10.96.0.14', '{name: tcp, port: 5432}')}${pod('open-db', podIp(25))}
${policy('reads', 'web', "rules: [{from: [{source: {principals: ['cluster.local/ns/shop/sa/client']}}], to: [{operation: {methods: [GET], paths: [/read/*]}}]}, {when: [{key: 'request.headers[x-team]', values: [red]}]}]")}
${policy('no-secrets', 'web', 'action: DENY, rules: [{to: [{operation: {paths: ["/read/{*}/secret"]}}]}]')}
${policy('db-for-admin', 'db', 'rules: [{from: [{source: {serviceAccounts: [admin]}}]}]')}
`

let waypoint: WaypointFixture

beforeAll(async () => {
  await installExtras(['envoy'])
  waypoint = await startWaypoint(inlineBootstrap(waypointOfObjects(objectsFromYaml(MESH))), {
    served: OPEN_DATABASE,
    pods: [
      { ip: podIp(21), account: 'web' },
      { ip: podIp(22), account: 'free' },
      { ip: podIp(23), account: 'thief' },
      { ip: podIp(24), account: 'db' },
      { ip: podIp(25), account: 'open-db' },
    ],
  })
}, SETUP_MS)

afterAll(() => waypoint[Symbol.asyncDispose]())

test.each<{ name: string; to: string; options?: Parameters<WaypointFixture['request']>[1]; status: number }>([
  { name: 'a service without a policy', to: FREE, status: 200 },
  { name: 'the same by another method', to: FREE, options: { method: 'PUT' }, status: 200 },
  { name: 'what a policy allows', to: WEB, options: { path: '/read/a' }, status: 200 },
  {
    name: 'the same with a query',
    to: WEB,
    options: { path: '/read/a?b=/secret' },
    status: 200,
  },
  { name: 'another method', to: WEB, options: { path: '/read/a', method: 'POST' }, status: 403 },
  { name: 'another path', to: WEB, options: { path: '/write' }, status: 403 },
  { name: 'a path that only looks allowed', to: WEB, options: { path: '/read/../write' }, status: 403 },
  { name: 'another account', to: WEB, options: { path: '/read/a', account: 'other' }, status: 403 },
  {
    name: 'another account that claims to be this one',
    to: WEB,
    options: {
      path: '/read/a',
      account: 'other',
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/shop/sa/client' },
    },
    status: 403,
  },
  {
    name: 'another account with the header that a rule asks for',
    to: WEB,
    options: { account: 'other', headers: { 'x-team': 'red' } },
    status: 200,
  },
  {
    name: 'the same header with another value',
    to: WEB,
    options: { account: 'other', headers: { 'x-team': 'blue' } },
    status: 403,
  },
  {
    name: 'what one policy allows and another denies',
    to: WEB,
    options: { path: '/read/a/secret' },
    status: 403,
  },
  { name: 'a pod that proves another identity', to: STOLEN, status: 503 },
])(
  'a request through the waypoint for $name is answered $status',
  async ({ to, options, status }) => {
    expect((await waypoint.request(to, options)).status).toBe(status)
  },
  TEST_MS,
)

test(
  'a request comes to the pod with its own port, and without what clients may not claim',
  async () => {
    const { seen } = await waypoint.request(FREE, {
      path: '/a',
      headers: {
        'x-forwarded-client-cert': 'forged',
        'x-envoy-original-path': '/forged',
        'x-mine': 'kept',
      },
    })
    expect(seen).toMatchObject({ pod: podIp(22), path: '/a', 'x-mine': 'kept' })
    expect(Object.keys(seen)).not.toContain('x-forwarded-client-cert')
    expect(Object.keys(seen)).not.toContain('x-envoy-original-path')
  },
  TEST_MS,
)

test.each([
  { name: 'a service without a policy', to: OPEN_DATABASE, account: 'client', back: 'hello' },
  { name: 'an account that is allowed', to: DATABASE, account: 'admin', back: 'hello' },
  { name: 'an account that is not', to: DATABASE, account: 'client', back: '' },
  { name: 'an address that is not served', to: '10.96.9.9:80', account: 'client', back: '' },
  { name: 'a port that is not served', to: '10.96.0.11:81', account: 'client', back: '' },
])(
  'bytes through the waypoint for $name come back as "$back"',
  async ({ to, account, back }) => {
    expect(await waypoint.bytes(to, 'hello', account)).toBe(back)
  },
  TEST_MS,
)

test(
  'a tunnel is only for certificates of the mesh',
  async () => {
    const { ca } = waypoint
    const uris = ['spiffe://cluster.local/ns/shop/sa/client']
    expect(await waypoint.connects(await ca.issue({ uris }))).toBe(true)
    expect(await waypoint.connects(undefined)).toBe(false)
    expect(await waypoint.connects(await (await testCa('another')).issue({ uris }))).toBe(false)
    const evil = ['spiffe://cluster.local.evil/ns/shop/sa/client']
    expect(await waypoint.connects(await ca.issue({ uris: evil }))).toBe(false)
  },
  TEST_MS,
)
