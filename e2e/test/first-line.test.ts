/** The first line, told as a story: real istiod, agents, ztunnels, kernel networking, curl and nginx. */
import { Lab } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answerFor,
  curl,
  enrolShop,
  finishedLine,
  ipOf,
  isCarried,
  MARKER,
  podTraffic,
  policyYaml,
  SHOP,
} from '../shop.ts'
import { chosenWay } from '../way.ts'

requireRoot()

const CLIENT = 'shop/client'
const OTHER = 'shop/other'
/** A pod that never joins the mesh. */
const OUTSIDER = 'plain/outsider'
const OUTSIDE = `
{apiVersion: v1, kind: Namespace, metadata: {name: plain}}
---
{apiVersion: v1, kind: Pod, metadata: {name: outsider, namespace: plain}, spec: {nodeName: node1, containers: [{name: idle, command: [sleep, infinity]}]}}
`
const L7_POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: readers, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: web }]
  rules: [{ to: [{ operation: { methods: [GET] } }] }]
`
const LOG_MS = 5000
let lab: Lab

beforeAll(async () => {
  lab = await Lab.up({ nodes: 2, ...chosenWay(), manifests: [SHOP, OUTSIDE] })
  await lab.ready()
  await letIn(CLIENT) // the node's service rules and DNS follow a ready pod
})
afterAll(() => lab.down())

async function refused(pod: string): Promise<void> {
  await lab.waitFor(`${pod} to be refused`, async () => (await curl(lab, pod)) === '', 5000)
}

async function letIn(pod: string): Promise<void> {
  await lab.waitFor(`${pod} to be let in`, async () => (await curl(lab, pod)) === answerFor(lab, pod), 5000)
}

test('before enrolment curl works and its answer is readable on the link', async () => {
  await using wire = await lab.capture()
  expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
  expect(await wire.holds(MARKER)).toBe(true)
  const { hbone, clear } = await podTraffic(wire)
  expect(hbone).toEqual([])
  expect(clear.length).toBeGreaterThan(0)
})

test('enrolment: the same curl works with no restart', async () => {
  await enrolShop(lab)
  await lab.waitFor(
    'the mesh to carry the connection',
    async () => {
      expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
      return isCarried(lab)
    },
    10_000,
  )
})

test('inside the mesh the link carries HBONE only, and nginx sees the client itself', async () => {
  await using wire = await lab.capture()
  for (let i = 0; i < 20; i++) expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
  expect(await wire.holds(MARKER)).toBe(false)
  const { hbone, clear } = await podTraffic(wire)
  expect(hbone.length).toBeGreaterThan(20)
  expect(clear).toEqual([])
})

test('both ends name both SPIFFE IDs', async () => {
  for (const node of ['ztunnel@node1', 'ztunnel@node2']) {
    const line = await lab.waitFor(
      `a finished connection in the log of ${node}`,
      () => finishedLine(lab, node, ipOf(lab, CLIENT)),
      LOG_MS,
    )
    expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
    expect(line).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/web"')
  }
})

test('a policy that allows one account refuses the other at once and says so; taken away, traffic follows', async () => {
  lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
  await refused(OTHER)
  expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
  await lab.app('ztunnel@node2').waitForLog(/reason="NO_ALLOW_POLICY_MATCHED"/, LOG_MS)
  await lab.delete('authorizationpolicy/shop/only-client')
  await letIn(OTHER)
})

test('a DENY policy is named in the log', async () => {
  lab.apply(policyYaml('no-other', 'DENY', 'other'))
  await refused(OTHER)
  await lab.app('ztunnel@node2').waitForLog(/explicitly denied by: shop\/no-other/, LOG_MS)
  await lab.delete('authorizationpolicy/shop/no-other')
  await letIn(OTHER)
})

test('a missing waypoint is gone past, and closed once an L7 policy is attached; the label overrides', async () => {
  lab.label('namespace/shop', { 'istio.io/use-waypoint': 'none-such' })
  expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
  lab.apply(L7_POLICY)
  await refused(CLIENT)
  await lab
    .app('ztunnel@node1')
    .waitForLog(/unknown waypoint: _closed\/none-such\.shop\.waypoint\.invalid/, LOG_MS)
  lab.label('namespace/shop', { 'istio.io/waypoint-missing': 'direct' })
  await letIn(CLIENT)
  lab.label('namespace/shop', { 'istio.io/waypoint-missing': null })
  await refused(CLIENT)
  await lab.delete('authorizationpolicy/shop/readers')
  await letIn(CLIENT)
  lab.label('namespace/shop', { 'istio.io/use-waypoint': null })
  expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
})

test('the standard counters count the connections', async () => {
  const row = await lab.waitFor(
    'the counters of the source node',
    async () =>
      (await lab.httpGet('ztunnel@node1', 15_020, '/metrics')).body
        .split('\n')
        .find(
          (line) =>
            line.startsWith('istio_tcp_connections_opened_total') &&
            line.includes('sa/client') &&
            line.includes('mutual_tls') &&
            Number(line.split(' ').at(-1)) >= 20,
        ),
    LOG_MS,
  )
  expect(row).toContain('destination_principal="spiffe://cluster.local/ns/shop/sa/web"')
})

test('open sockets are counted at both ends while a transfer runs', async () => {
  const download = await lab
    .pod(CLIENT)
    .start(['curl', '-sS', '--limit-rate', '1M', '-o', '/dev/null', 'http://web/big'])
  const open = async (node: string, reporter: string): Promise<number> => {
    const { body } = await lab.httpGet(node, 15_020, '/metrics')
    const row = body
      .split('\n')
      .find((line) => line.startsWith(`istio_tcp_sockets_open{reporter="${reporter}"`))
    return Number(row?.split(' ').at(-1) ?? 0)
  }
  await lab.waitFor(
    'the source to count its socket',
    async () => (await open('ztunnel@node1', 'source')) >= 1,
    LOG_MS,
  )
  await lab.waitFor(
    'the destination to count its socket',
    async () => (await open('ztunnel@node2', 'destination')) >= 1,
    LOG_MS,
  )
  await download.kill('SIGKILL')
  await lab.waitFor(
    'the socket to be gone',
    async () => (await open('ztunnel@node1', 'source')) === 0,
    LOG_MS,
  )
})

test('a ztunnel killed: no connection gets through in the clear, and traffic comes back with it', async () => {
  await using wire = await lab.capture()
  const ztunnel = lab.app('ztunnel@node1')
  await ztunnel.kill('SIGKILL')
  for (let i = 0; i < 5; i++) expect(await curl(lab, CLIENT)).toBe('')
  await ztunnel.start()
  await ztunnel.ready()
  await letIn(CLIENT)
  expect(await wire.holds(MARKER)).toBe(false)
  expect((await podTraffic(wire)).clear).toEqual([])
})

test('an unenrolled peer comes in the clear, without identity, and a policy by identity keeps it out', async () => {
  expect(await curl(lab, OUTSIDER)).toBe(answerFor(lab, OUTSIDER))
  lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
  await refused(OUTSIDER)
  expect(await curl(lab, CLIENT)).toBe(answerFor(lab, CLIENT))
  await lab.delete('authorizationpolicy/shop/only-client')
})
