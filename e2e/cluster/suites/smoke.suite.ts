/** The shortest way through everything: enrolment without restart, identity, policy, probes, server-first, restart of ztunnel. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { NAMESPACE } from '../install.ts'
import { ask, enrolled, redirections, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'smoke'
const CLIENT = `${SPACE}/client`
const OTHER = `${SPACE}/other`
const WEB = `http://web.${SPACE}/`
let uids: string

beforeAll(async () => {
  await cluster.apply(shop(SPACE))
  await cluster.podsReady(SPACE, 'app')
  uids = await podUids()
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

function podUids(): Promise<string> {
  return cluster.kubectl(
    'get',
    'pods',
    '-n',
    SPACE,
    '-o',
    'jsonpath={range .items[*]}{.metadata.uid}/{.status.containerStatuses[0].restartCount} {end}',
  )
}

async function letIn(pod: string): Promise<void> {
  await cluster.waitFor(`${pod} to be answered`, () => ask(cluster, pod, WEB), 30_000)
}

async function refused(pod: string): Promise<void> {
  await cluster.waitFor(
    `${pod} to be refused`,
    async () => (await ask(cluster, pod, WEB)) === undefined,
    30_000,
  )
}

test('before enrolment the server sees its client', async () => {
  await letIn(CLIENT)
})

test('a label takes running pods into the mesh, and none is restarted', async () => {
  await cluster.kubectl('label', 'namespace', SPACE, 'istio.io/dataplane-mode=ambient')
  await enrolled(cluster, SPACE)
  await letIn(CLIENT)
  const answer = await ask(cluster, CLIENT, WEB)
  const ip = await cluster.kubectl('get', 'pod', '-n', SPACE, 'client', '-o', 'jsonpath={.status.podIP}')
  expect(answer?.from).toBe(ip)
  expect(await podUids()).toBe(uids)
})

test('both ends name both identities', async () => {
  await cluster.waitFor(
    'a line with both SPIFFE IDs from both directions',
    async () => {
      await ask(cluster, CLIENT, WEB)
      const lines = (await cluster.logs(NAMESPACE, 'app=ztunnel')).split('\n')
      const pairs = lines.filter(
        (line) =>
          line.includes(`src.identity="spiffe://cluster.local/ns/${SPACE}/sa/client"`) &&
          line.includes(`dst.identity="spiffe://cluster.local/ns/${SPACE}/sa/web"`),
      )
      return ['inbound', 'outbound'].every((direction) =>
        pairs.some((line) => line.includes(`direction="${direction}"`)),
      )
    },
    30_000,
  )
})

test('a server that speaks first is heard', async () => {
  const script = `const s = require('node:net').connect(9000, 'web.${SPACE}'); s.on('data', (d) => { process.stdout.write(d); s.destroy() }); s.on('error', () => process.exit(7))`
  const { stdout } = await cluster.exec(CLIENT, ['node', '-e', script])
  expect(stdout).toBe('hello first\n')
})

test('a policy lets one account in, and taken away lets all in again', async () => {
  await cluster.apply(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-client, namespace: ${SPACE} }
spec:
  selector: { matchLabels: { app: web } }
  rules: [{ from: [{ source: { principals: ["cluster.local/ns/${SPACE}/sa/client"] } }] }]
`)
  await refused(OTHER)
  await letIn(CLIENT)
  await cluster.delete('authorizationpolicy', '-n', SPACE, 'only-client')
  await letIn(OTHER)
})

test('probes of the kubelet go on under STRICT', async () => {
  await cluster.apply(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: ${SPACE} }
spec: { mtls: { mode: STRICT } }
`)
  await letIn(CLIENT)
  // The liveness probe would have ended the container by now: three failures, five seconds apart.
  const since = Date.parse(
    (
      await cluster.kubectl(
        'get',
        'peerauthentication',
        '-n',
        SPACE,
        'strict',
        '-o',
        'jsonpath={.metadata.creationTimestamp}',
      )
    ).trim(),
  )
  await cluster.waitFor(
    'twenty seconds of probes',
    () => Promise.resolve(Date.now() - since > 20_000),
    40_000,
  )
  expect(await podUids()).toBe(uids)
  await cluster.delete('peerauthentication', '-n', SPACE, 'strict')
})

test('taken out again, pods talk as before', async () => {
  await cluster.kubectl('label', 'namespace', SPACE, 'istio.io/dataplane-mode-')
  await cluster.waitFor(
    'no pod to be enrolled',
    async () => (await redirections(cluster, SPACE)) === '',
    60_000,
  )
  await letIn(CLIENT)
  expect(await podUids()).toBe(uids)
})
