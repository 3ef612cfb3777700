/** `helm upgrade` to images of another tag, and a rollout of ztunnel alone, under connections that do not stop. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { installMesh, NAMESPACE, PARTS, restartPart, settled } from '../install.ts'
import { loadImages } from '../kind.ts'
import { enrolled, shop } from '../shop.ts'
import { SteadyClient, type SteadyResult } from '../steady-client.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const root = process.env['E2E_ROOT'] ?? ''
const SPACE = 'upgrade'
const NOW = { hub: 'ambient', tag: 'e2e' }
const NEXT = { hub: 'ambient', tag: 'e2e-next' }
const PER_SECOND = 200

beforeAll(async () => {
  for (const part of ['istiod', 'ztunnel', 'cni']) {
    const names = [NOW, NEXT].map(({ hub, tag }) => `${hub}/${part}:${tag}`)
    const { status } = spawnSync('docker', ['tag', ...names], { stdio: 'inherit' })
    if (status !== 0) throw new Error(`${names[0] ?? ''} cannot be given another tag`)
  }
  await loadImages(cluster, process.env['E2E_CLUSTER_NAME'] ?? '', NEXT)
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

function steady(): Promise<SteadyClient> {
  return SteadyClient.start(cluster, {
    pod: `${SPACE}/client`,
    host: `web.${SPACE}`,
    port: 9000,
    perSecond: PER_SECOND,
  })
}

function tell(what: string, { ok, failed, slowestMs, kept }: SteadyResult): void {
  const others = Object.entries(failed).map(([why, count]) => `${count} ${why}`)
  const end = kept.end === '' ? 'lives' : `ended: ${kept.end}`
  process.stdout.write(
    `${what}: ${ok} answered, slowest ${slowestMs} ms, ${others.join(', ') || 'none failed'}; the open one ${end}\n`,
  )
}

async function podUids(): Promise<string> {
  return cluster.kubectl('get', 'pods', '-n', SPACE, '-o', 'jsonpath={.items[*].metadata.uid}')
}

test('ztunnel is replaced three times, and every new connection is answered', async () => {
  const client = await steady()
  for (let times = 0; times < 3; times++) await restartPart(cluster, 'daemonset/ztunnel')
  await client.answered(PER_SECOND)
  const seen = await client.stop()
  tell('three rollouts of ztunnel', seen)
  expect(seen.failed).toEqual({})
}, 1_900_000)

test('helm upgrade brings every part to the new images, and every new connection is answered', async () => {
  const before = await podUids()
  const client = await steady()
  await installMesh(cluster, root, NEXT)
  for (const part of PARTS) await settled(cluster, part)
  await client.answered(PER_SECOND)
  const seen = await client.stop()
  tell('helm upgrade', seen)
  const images = await cluster.kubectl(
    'get',
    'pods',
    '-n',
    NAMESPACE,
    '-o',
    'jsonpath={range .items[*]}{.spec.containers[0].image} {end}',
  )
  expect(
    new Set(
      images
        .trim()
        .split(' ')
        .map((image) => image.split(':')[1]),
    ),
  ).toEqual(new Set([NEXT.tag]))
  expect(await podUids()).toBe(before)
  expect(seen.failed).toEqual({})
}, 1_200_000)

test('and back, by the same way', async () => {
  await installMesh(cluster, root, NOW)
  for (const part of PARTS) await settled(cluster, part)
  const client = await steady()
  await client.answered(PER_SECOND)
  expect((await client.stop()).failed).toEqual({})
}, 1_200_000)
