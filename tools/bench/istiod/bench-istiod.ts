import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Measured } from '../cases/bench-case.ts'
import { ChangeWatch, percentile } from './change-watch.ts'
import { FakeApi } from './fake-api.ts'
import {
  generateMesh,
  type MeshPod,
  type MeshSize,
  nodesOf,
  podObject,
  podOf,
  uidOf,
} from './generate-mesh.ts'
import { collectGarbage } from './collect-garbage.ts'
import { IdleProcess } from './idle-process.ts'
import { type IstiodProcess, type IstiodUse, startIstiod } from './istiod-process.ts'
import { subscribe, type Subscriber } from './subscriber.ts'

const SUBSCRIBERS = 10
const SINGLE_CHANGES = 200
const SINGLE_EVERY_MS = 25
const CHURN_A_SECOND = 100
const CHURN_LIFE_MS = 1000
/** It comes, changes and goes. */
const CHANGES_A_LIFE = 3
const SETTLE_MS = 30_000
const MB = 1 << 20

/** One istiod, fresh, on a mesh of this size with ten node proxies: how fast it starts, syncs and tells of changes, and what that costs. */
export async function benchIstiod(size: MeshSize, seconds: number): Promise<readonly Measured[]> {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'bench-istiod-'))
  await using api = await FakeApi.open(generateMesh(size))
  await using istiod = await startIstiod({ folder: folder.path, api })
  const measured: Measured[] = [
    { case: 'start, all read and worked out', value: istiod.startMs / 1000, unit: 's' },
    { case: 'CPU of the start', value: (await istiod.use()).cpuMs / 1000, unit: 'CPU-s' },
  ]
  const watch = new ChangeWatch(SUBSCRIBERS)
  const joined = await joinAll(istiod, size, watch)
  try {
    measured.push(...joined.measured)
    const put: Place = (pod, how) => (how === 'write' ? api.put(podObject(pod)) : api.delete(podObject(pod)))
    measured.push(
      ...(await measureChanges('one change', istiod, watch, () => singleChanges(size, put, watch))),
    )
    const running = await measureChanges(`${CHURN_A_SECOND} changes/s`, istiod, watch, () =>
      churn({ size, seconds }, put, watch),
    )
    measured.push(...running)
    const { rssBytes, peakRssBytes } = await istiod.use()
    measured.push(
      { case: 'memory afterwards', value: rssBytes / MB, unit: 'MB' },
      { case: 'memory at its peak', value: peakRssBytes / MB, unit: 'MB' },
    )
    return measured
  } finally {
    for (const subscriber of joined.subscribers) subscriber[Symbol.dispose]()
  }
}

/** All subscribers at once, as after a restart of the control plane. */
async function joinAll(
  istiod: IstiodProcess,
  size: MeshSize,
  watch: ChangeWatch,
): Promise<{ readonly subscribers: readonly Subscriber[]; readonly measured: readonly Measured[] }> {
  const before = (await istiod.use()).cpuMs
  const startedMs = performance.now()
  const subscribers = await Promise.all(
    nodesOf(size)
      .slice(0, SUBSCRIBERS)
      .map((node, index) =>
        subscribe({
          address: { host: 'localhost', port: istiod.securePort, plaintext: false },
          roots: () => Promise.resolve(istiod.rootsPem),
          altHostname: undefined,
          token: () => Promise.resolve(node),
          headers: {},
          clusterId: 'Kubernetes',
          node,
          onPush: (response, atMs) => watch.seen(index, response, atMs),
        }),
      ),
  )
  const [first] = await Promise.all(subscribers.map(({ synced }) => synced))
  const tookMs = performance.now() - startedMs
  const expected = size.pods + size.services
  if ((first?.resources ?? 0) < expected) throw new Error(`only ${first?.resources} of ${expected} were sent`)
  const after = await istiod.use()
  return {
    subscribers,
    measured: [
      { case: `full sync of ${SUBSCRIBERS} node proxies`, value: tookMs, unit: 'ms' },
      { case: 'CPU of the full sync', value: (after.cpuMs - before) / 1000, unit: 'CPU-s' },
      { case: 'one full sync', value: (first?.bytes ?? 0) / MB, unit: 'MB' },
      { case: 'memory after the sync', value: after.rssBytes / MB, unit: 'MB' },
      { case: 'full sync: longest block of istiod', value: after.longestBlockMs, unit: 'ms' },
    ],
  }
}

type Place = (pod: MeshPod, how: 'write' | 'remove') => void

/** What changes there are, beside a process that does nothing but answer: what it waits for, they wait for as well. */
async function measureChanges(
  of: string,
  istiod: IstiodProcess,
  watch: ChangeWatch,
  make: () => Promise<Made>,
): Promise<readonly Measured[]> {
  collectGarbage() // of the full syncs, and not while times are measured
  await using idle = await IdleProcess.start()
  const from = watch.latenciesMs.length
  const before = await istiod.use()
  const { changes, tookMs, merged } = await make()
  const after = await istiod.use()
  return [
    ...percentiles(`${of}: to a proxy`, watch.latenciesMs.slice(from)),
    ...percentiles(`${of}: beside it, to an idle process and back`, await idle.end()),
    { case: `${of}: merged with a later one`, value: merged, unit: 'changes' },
    ...costs(of, { before, after, changes, tookMs }),
  ]
}

function costs(
  of: string,
  {
    before,
    after,
    changes,
    tookMs,
  }: { readonly before: IstiodUse; readonly after: IstiodUse } & Pick<Made, 'changes' | 'tookMs'>,
): readonly Measured[] {
  const cpuMs = after.cpuMs - before.cpuMs
  return [
    { case: `${of}: CPU of each`, value: cpuMs / changes, unit: 'CPU-ms' },
    { case: `${of}: CPU of istiod`, value: (cpuMs / tookMs) * 100, unit: '% of a core' },
    { case: `${of}: longest block of istiod`, value: after.longestBlockMs, unit: 'ms' },
  ]
}

interface Made {
  readonly changes: number
  readonly tookMs: number
  /** Changes that nobody was told of, since a later one took their place. */
  readonly merged: number
}

async function singleChanges(size: MeshSize, put: Place, watch: ChangeWatch): Promise<Made> {
  const startMs = performance.now()
  for (let index = 0; index < SINGLE_CHANGES; index++) {
    const pod = { ...podOf(size.pods + (index % 10), size), revision: `v${index}` }
    watch.made(uidOf(pod), pod.revision)
    put(pod, 'write')
    await sleep(SINGLE_EVERY_MS)
  }
  const tookMs = performance.now() - startMs
  return { changes: SINGLE_CHANGES, tookMs, merged: await settled(size, put, watch) }
}

/** Each pod comes, changes once and goes: so many of these a second, spread evenly. */
async function churn(
  { size, seconds }: { readonly size: MeshSize; readonly seconds: number },
  put: Place,
  watch: ChangeWatch,
): Promise<Made> {
  const startMs = performance.now()
  const everyMs = (CHANGES_A_LIFE * 1000) / CHURN_A_SECOND
  const lives = Math.ceil((seconds * 1000) / everyMs)
  const running: Promise<void>[] = []
  for (let index = 0; index < lives; index++) {
    await sleep(Math.max(0, startMs + index * everyMs - performance.now()))
    running.push(liveAndDie(podOf(size.pods + 100 + index, size), put, watch))
  }
  await Promise.all(running)
  const tookMs = performance.now() - startMs
  return { changes: lives * CHANGES_A_LIFE, tookMs, merged: await settled(size, put, watch) }
}

async function liveAndDie(pod: MeshPod, put: Place, watch: ChangeWatch): Promise<void> {
  for (const revision of ['v1', 'v2']) {
    watch.made(uidOf(pod), revision)
    put({ ...pod, revision }, 'write')
    await sleep(CHURN_LIFE_MS / 2)
  }
  watch.made(uidOf(pod), undefined)
  put(pod, 'remove')
}

/** A last change, which each subscriber is told of after all others. @returns How many were never told of. */
async function settled(size: MeshSize, put: Place, watch: ChangeWatch): Promise<number> {
  const last = { ...podOf(size.pods + 50, size), revision: `at-${performance.now().toFixed(0)}` }
  watch.made(uidOf(last), last.revision)
  put(last, 'write')
  const endMs = performance.now() + SETTLE_MS
  while (!watch.isSeen(uidOf(last))) {
    if (performance.now() > endMs) throw new Error('the last change never came')
    await sleep(10)
  }
  watch.latenciesMs.splice(-SUBSCRIBERS) // of the last change: it was made when the others were over
  return watch.settle()
}

function percentiles(of: string, values: readonly number[]): readonly Measured[] {
  return [
    { case: `${of}, median`, value: percentile(values, 0.5), unit: 'ms' },
    { case: `${of}, p99`, value: percentile(values, 0.99), unit: 'ms' },
  ]
}
