/** Probes of every kind, under STRICT: the kubelet is let in, and another client without an identity is not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { APP_IMAGE } from '../kind.ts'
import { ask, enrolled, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'probes'
const OUTSIDE = 'probes-outside'
/** More than a probe may fail in a row. */
const ENOUGH = 10

/** Counts what probes it: HTTP at 8080, TCP at 9000, gRPC health at 9090. */
const SERVER = `
const http = require('node:http'), http2 = require('node:http2'), net = require('node:net')
const seen = { startup: 0, http: 0, tcp: 0, grpc: 0 }
http.createServer((q, r) => {
  if (q.url === '/startup') seen.startup++
  if (q.url === '/ready') seen.http++
  r.end(JSON.stringify(q.url === '/seen' ? seen : { from: '-', pod: 'probed' }))
}).listen(8080)
net.createServer((s) => { seen.tcp++; s.on('error', () => {}); s.end() }).listen(9000)
const grpc = http2.createServer()
grpc.on('stream', (s) => {
  seen.grpc++
  s.on('error', () => {})
  s.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  s.on('wantTrailers', () => s.sendTrailers({ 'grpc-status': '0' }))
  s.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]))
})
grpc.listen(9090)
`
const PROBED = ['http', 'tcp', 'grpc'] as const

function container(name: string, probes: string): string {
  return `    - name: ${name}
      image: ${APP_IMAGE}
      imagePullPolicy: IfNotPresent
      command: ${name === 'main' ? `[node, -e, ${JSON.stringify(SERVER)}]` : '[sleep, infinity]'}
      ${probes}
`
}

const EVERY = 'periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 3'
const POD = `apiVersion: v1
kind: Pod
metadata: { name: probed, namespace: ${SPACE}, labels: { app: probed } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
${container(
  'main',
  `startupProbe: { httpGet: { path: /startup, port: 8080 }, periodSeconds: 1, failureThreshold: 60 }
      readinessProbe: { httpGet: { path: /ready, port: 8080 }, ${EVERY} }
      livenessProbe: { grpc: { port: 9090 }, ${EVERY} }`,
)}${container(
  'beside',
  `readinessProbe: { exec: { command: ['true'] }, ${EVERY} }
      livenessProbe: { tcpSocket: { port: 9000 }, ${EVERY} }`,
)}`

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.apply(shop(OUTSIDE))
  await cluster.apply(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: ${SPACE} }
spec: { mtls: { mode: STRICT } }
`)
  await cluster.podsReady(SPACE, 'app')
  await cluster.podsReady(OUTSIDE, 'app')
  await enrolled(cluster, SPACE)
})
afterAll(() => cluster.delete('namespace', SPACE, OUTSIDE, '--wait=false'))

type Seen = Readonly<Record<'startup' | (typeof PROBED)[number], number>>

async function seen(): Promise<Seen> {
  const script = `fetch('http://127.0.0.1:8080/seen').then((r) => r.text()).then((t) => process.stdout.write(t))`
  const { stdout } = await cluster.exec(`${SPACE}/probed`, ['node', '-e', script])
  return JSON.parse(stdout) as Seen
}

async function ip(): Promise<string> {
  return cluster.kubectl('get', 'pod', '-n', SPACE, 'probed', '-o', 'jsonpath={.status.podIP}')
}

test('a pod whose probes are HTTP, TCP, gRPC and exec becomes ready in the mesh', async () => {
  await cluster.apply(POD)
  await cluster.podsReady(SPACE, 'app=probed')
  const path = 'jsonpath={.metadata.annotations.ambient\\.istio\\.io/redirection}'
  expect(await cluster.kubectl('get', 'pod', '-n', SPACE, 'probed', '-o', path)).toBe('enabled')
  expect((await seen()).startup).toBeGreaterThan(0)
})

test('its server takes mutual TLS only: one from outside of the mesh is refused, one from inside is not', async () => {
  const url = `http://${await ip()}:8080/`
  await cluster.waitFor('the client to be answered', () => ask(cluster, `${SPACE}/client`, url), 60_000)
  expect(await ask(cluster, `${OUTSIDE}/client`, url)).toBeUndefined()
})

test('probes of each kind go on, and no container is restarted', async () => {
  const before = await seen()
  await cluster.waitFor(
    `${ENOUGH} more probes of each kind`,
    async () => {
      const now = await seen()
      return PROBED.every((kind) => now[kind] >= before[kind] + ENOUGH)
    },
    120_000,
  )
  const state = 'jsonpath={range .status.containerStatuses[*]}{.restartCount} {.ready},{end}'
  expect(await cluster.kubectl('get', 'pod', '-n', SPACE, 'probed', '-o', state)).toBe('0 true,0 true,')
})
