import { createLogger, createMetrics, LevelFilter } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { cniLimits } from './cni-limits.ts'
import type { PodActions } from './pod-events.ts'
import type { PodView } from './pod-view.ts'
import type { RepairAction } from './repair-options.ts'
import { Repairs } from './repairs.ts'

const pod: PodView = {
  ref: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u1' },
  uid: 'u1',
  cgroupUid: 'u1',
  name: 'web',
  namespace: 'shop',
  serviceAccount: 'default',
  labels: {},
  annotations: { 'ambient.istio.io/redirection': 'enabled' },
  hostNetwork: false,
  isFinished: false,
  ips: ['10.0.0.2'],
}

function setUp(action: RepairAction, fails: Partial<Record<keyof PodActions, boolean>> = {}) {
  const calls: string[] = []
  const world = { nowMs: 0 }
  const call = (name: keyof PodActions, text: string): Promise<void> => {
    calls.push(`${name} ${text}`)
    return fails[name] === true ? Promise.reject(new Error('no right to')) : Promise.resolve()
  }
  const registry = new Registry()
  const repairs = new Repairs(
    { isEnabled: true, action, label: { key: 'broken', value: 'yes' } },
    {
      actions: {
        event: (_, reason) => call('event', reason),
        delete: ({ uid }) => call('delete', uid),
        label: (_, key, value) => call('label', `${key}=${value}`),
      },
      clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs, sleep: () => Promise.resolve() },
      logger: createLogger({
        format: 'plain',
        level: LevelFilter.parse('off'),
        write: () => {},
        clock: { nowMs: () => 0 },
        scope: 'cni',
      }),
      metrics: createMetrics(registry, 'cni'),
    },
  )
  const enrol = (): Promise<void> => Promise.resolve(void calls.push('enrol'))
  const counted = async (type: string, result: string): Promise<number> =>
    (await registry.getSingleMetric('istio_cni_repair_pods_repaired_total')?.get())?.values.find(
      ({ labels }) => labels['type'] === type && labels['result'] === result,
    )?.value ?? 0
  return { calls, repairs, enrol, counted, world }
}

test.each([
  { action: 'repair', calls: ['event NotInMesh', 'enrol', 'event MeshRepaired'], outcome: 'enrolled' },
  { action: 'delete', calls: ['event NotInMesh', 'delete u1'], outcome: 'left' },
  { action: 'label', calls: ['event NotInMesh', 'label broken=yes'], outcome: 'left' },
  { action: 'event', calls: ['event NotInMesh'], outcome: 'left' },
] as const)('Repairs.handle() carries out $action', async ({ action, calls, outcome }) => {
  const set = setUp(action)
  expect(await set.repairs.handle(pod, set.enrol)).toBe(outcome)
  expect(set.calls).toEqual(calls)
  expect(await set.counted(action, 'success')).toBe(1)
})

test('Repairs.handle() announces a repair once, however often it fails', async () => {
  const { calls, repairs, enrol, counted } = setUp('repair')
  const fail = (): Promise<void> => Promise.reject(new Error('no ztunnel'))
  await expect(repairs.handle(pod, fail)).rejects.toThrow('no ztunnel')
  await expect(repairs.handle(pod, fail)).rejects.toThrow('no ztunnel')
  await repairs.handle(pod, enrol)
  expect(calls).toEqual(['event NotInMesh', 'enrol', 'event MeshRepaired'])
  expect([await counted('repair', 'fail'), await counted('repair', 'success')]).toEqual([2, 1])
})

test.each(['delete', 'label'] as const)('Repairs.handle() bounds how many pods it may %s', async (action) => {
  const { calls, repairs, enrol, counted, world } = setUp(action)
  const { repairBurst, repairRefillMs } = cniLimits
  const handle = (): Promise<unknown> => repairs.handle(pod, enrol)
  for (let n = 0; n < repairBurst; n++) await handle()
  await expect(handle()).rejects.toThrow(expect.objectContaining({ code: 'REPAIR_POSTPONED' }))
  expect(calls.filter((call) => call.startsWith(action))).toHaveLength(repairBurst)
  expect(await counted(action, 'skip')).toBe(1)
  world.nowMs = repairRefillMs
  await handle()
  await expect(handle()).rejects.toThrow('at once')
})

test('Repairs.handle() bounds no repair in place: what is not in the mesh is in the open', async () => {
  const { repairs, enrol, counted } = setUp('repair')
  for (let n = 0; n < 200; n++) await repairs.handle({ ...pod, uid: `u${n}` }, enrol)
  expect(await counted('repair', 'success')).toBe(200)
})

test('Repairs.handle() goes on when the event cannot be written, and fails when the pod cannot be deleted', async () => {
  const { calls, repairs, enrol, counted } = setUp('delete', { event: true, delete: true })
  await expect(repairs.handle(pod, enrol)).rejects.toThrow('no right to')
  expect(calls).toEqual(['event NotInMesh', 'delete u1'])
  expect(await counted('delete', 'fail')).toBe(1)
})
