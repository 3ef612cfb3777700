/** `helm upgrade` from chart and images of the last commit on main, and a rollout of ztunnel alone, under connections that do not stop. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { installMesh, NAMESPACE, PARTS, restartPart, settled } from '../install.ts'
import { loadImages } from '../kind.ts'
import type { ImageName } from '../mesh-images.ts'
import { buildPrevious, removePrevious } from '../previous-commit.ts'
import { enrolled, shop } from '../shop.ts'
import { SteadyClient, type SteadyResult } from '../steady-client.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const root = process.env['E2E_ROOT'] ?? ''
const SPACE = 'upgrade'
const NOW = { hub: 'ambient', tag: 'e2e' }
const BEFORE = { hub: 'ambient', tag: 'e2e-before' }
const PER_SECOND = 200

const folder = mkdtempSync(join(tmpdir(), 'ambient-before-'))

beforeAll(async () => {
  await buildPrevious(root, folder, BEFORE)
  await loadImages(cluster, process.env['E2E_CLUSTER_NAME'] ?? '', BEFORE)
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
}, 900_000) // the images of another commit are built first
afterAll(async () => {
  await removePrevious(root, folder)
  rmSync(folder, { recursive: true, force: true })
  await cluster.delete('namespace', SPACE, '--wait=false')
})

function steady(): Promise<SteadyClient> {
  return SteadyClient.start(cluster, {
    pod: `${SPACE}/client`,
    host: `web.${SPACE}`,
    port: 9000,
    perSecond: PER_SECOND,
  })
}

function tell(what: string, sinceMs: number, { ok, failed, slowestMs, kept }: SteadyResult): void {
  const seconds = (performance.now() - sinceMs) / 1000
  const others = Object.entries(failed).map(([why, count]) => `${count} ${why}`)
  const end = kept.end === '' ? 'lives' : `ended: ${kept.end}`
  process.stdout.write(
    `${what}: ${ok} answered in ${seconds.toFixed(0)} s, slowest ${slowestMs} ms, ${others.join(', ') || 'none failed'}; the open one ${end}\n`,
  )
}

async function podUids(): Promise<string> {
  return cluster.kubectl('get', 'pods', '-n', SPACE, '-o', 'jsonpath={.items[*].metadata.uid}')
}

test('ztunnel is replaced three times, and every new connection is answered', async () => {
  const client = await steady()
  const sinceMs = performance.now()
  for (let times = 0; times < 3; times++) await restartPart(cluster, 'daemonset/ztunnel')
  await client.answered(PER_SECOND)
  const seen = await client.stop()
  tell('three rollouts of ztunnel', sinceMs, seen)
  expect(seen.failed).toEqual({})
}, 1_900_000)

async function images(): Promise<ReadonlySet<string>> {
  const path = 'jsonpath={range .items[*]}{.spec.containers[0].image} {end}'
  return new Set((await cluster.kubectl('get', 'pods', '-n', NAMESPACE, '-o', path)).trim().split(' '))
}

function imagesOf({ hub, tag }: ImageName): ReadonlySet<string> {
  return new Set(['istiod', 'ztunnel', 'cni'].map((part) => `${hub}/${part}:${tag}`))
}

async function bring(from: string, image: ImageName): Promise<void> {
  await installMesh(cluster, from, image)
  for (const part of PARTS) await settled(cluster, part)
  await cluster.waitFor(
    `no pod of the mesh but of ${image.tag}`,
    async () => (await images()).symmetricDifference(imagesOf(image)).size === 0,
    120_000,
  )
}

test('helm upgrade from the last commit on main brings every part to this one, and every new connection is answered', async () => {
  await bring(folder, BEFORE)
  const before = await podUids()
  const client = await steady()
  const sinceMs = performance.now()
  await bring(root, NOW)
  await client.answered(PER_SECOND)
  const seen = await client.stop()
  tell('helm upgrade', sinceMs, seen)
  expect(await podUids()).toBe(before)
  expect(seen.failed).toEqual({})
}, 1_900_000)
