/** The API server away for two minutes: what runs goes on, and what was missed is caught up with. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { ask, enrolled, shop } from '../shop.ts'
import { SteadyClient } from '../steady-client.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'outage'
const NODE = `${process.env['E2E_CLUSTER_NAME'] ?? ''}-control-plane`
const MANIFEST = '/etc/kubernetes/manifests/kube-apiserver.yaml'
const ASIDE = '/root/kube-apiserver.yaml'
const AWAY_MS = 120_000

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
})
afterAll(async () => {
  await comesBack()
  await cluster.delete('namespace', SPACE, '--wait=false')
})

async function isThere(): Promise<boolean> {
  return (
    (await cluster.run(['kubectl', 'get', '--raw', '/readyz', '--request-timeout=2s'], '', 10_000)).code === 0
  )
}

function move(from: string, to: string): Promise<unknown> {
  return cluster.run(['docker', 'exec', NODE, 'sh', '-c', `test ! -e ${from} || mv ${from} ${to}`])
}

async function comesBack(): Promise<void> {
  await move(ASIDE, MANIFEST)
  await cluster.waitFor('the API server', isThere, 180_000)
}

test('two minutes without an API server cut and refuse nothing', async () => {
  const steady = await SteadyClient.start(cluster, {
    pod: `${SPACE}/client`,
    host: `web.${SPACE}`,
    port: 9000,
    perSecond: 10,
  })
  await move(MANIFEST, ASIDE)
  await cluster.waitFor('the API server to be away', async () => !(await isThere()), 60_000)
  const sinceMs = performance.now()
  await cluster.waitFor('two minutes', async () => performance.now() - sinceMs > AWAY_MS, AWAY_MS + 30_000)
  expect(await isThere()).toBe(false)
  await comesBack()
  await cluster.waitFor('the kubelet to let kubectl in', () => steady.seen(), 60_000)
  await steady.answered(10)
  const { failed, kept } = await steady.stop()
  expect(failed).toEqual({})
  expect(kept.end).toBe('')
}, 480_000)

test('a policy that is written afterwards is in force', async () => {
  await cluster.waitFor(
    'the policy to be taken',
    async () => {
      await cluster.apply(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: ${SPACE} }
spec: {}
`)
      return true
    },
    60_000,
  )
  await cluster.waitFor(
    'the client to be refused',
    async () => (await ask(cluster, `${SPACE}/client`, `http://web.${SPACE}/`)) === undefined,
    90_000,
  )
})
