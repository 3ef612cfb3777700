import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ResourceWriter } from '@ambient/kube'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eagerClock, eventually, type Fed, fedState } from '../../test/fed-state.ts'
import { keepWaypointRecords } from './keep-waypoint-records.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'istiod-records-'))))
afterEach(() => rmSync(directory, { recursive: true }))

interface Running extends Fed, AsyncDisposable {
  readonly log: string[]
}

async function start(apply?: ResourceWriter['apply']): Promise<Running> {
  const log: string[] = []
  const fed = await fedState(
    directory,
    ({ state, resources, ended }) =>
      keepWaypointRecords(
        {
          records: state.waypointRecords.written,
          wanted: state.waypointRecords.wanted,
          systemNamespace: 'istio-system',
          writer: { apply: apply ?? ((object, options) => resources.apply(object, options)) },
          clock: eagerClock,
          onWrite: ({ kind }) => log.push(kind),
        },
        ended.signal,
      ),
    ({ cause }) => expect.fail(String(cause)),
  )
  return { ...fed, log }
}

function put(file: string, text: string): void {
  writeFileSync(join(directory, `${file}.yaml`), text)
}

function putService(use: string): void {
  put(
    'service',
    `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop${use}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n`,
  )
}

const GATEWAY = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop, labels: {istio.io/waypoint-for: all}}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
status: {addresses: [{type: Hostname, value: wp.shop.svc.cluster.local}]}
`
const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: every, namespace: istio-system}
spec: {targetRefs: [{kind: GatewayClass, group: gateway.networking.k8s.io, name: istio-waypoint}], rules: [{}]}
`

function waypointOf(state: Fed['state']): unknown {
  const address = state.addresses.get('shop/web.shop.svc.cluster.local')
  return address?.kind === 'service' ? address.service.waypoint?.destination : undefined
}

test('keepWaypointRecords() remembers a waypoint in force over a restart, and forgets it when nobody refers to it', async () => {
  putService(', labels: {istio.io/use-waypoint: wp}')
  put('gateway', GATEWAY)
  put('policy', POLICY)
  {
    await using first = await start()
    await eventually(() => expect([...first.state.waypointRecords.written.entries()]).toHaveLength(1))
    expect(waypointOf(first.state)).toMatchObject({ hostname: 'wp.shop.svc.cluster.local' })
  }
  put('gateway', '') // gone while no istiod looks
  await using second = await start()
  expect(second.state.waypointRecords.written.get('shop/wp')).toEqual({
    namespace: 'shop',
    name: 'wp',
    className: 'istio-waypoint',
    waypointFor: 'all',
    allowed: { from: 'Same' },
  })
  expect(waypointOf(second.state)).toMatchObject({ namespace: '_closed' })
  const [condition] = second.state.status.byObject.find('Service shop/web')[0]?.conditions ?? []
  expect(condition?.message).toContain('waypoint shop/wp was in force and is gone')
  expect(second.log).toEqual([])
  putService('')
  await eventually(() => expect([...second.state.waypointRecords.written.entries()]).toEqual([]))
  expect(second.log).toEqual(['written'])
})

test('keepWaypointRecords() remembers no waypoint that was never ready or that nobody refers to', async () => {
  putService(', labels: {istio.io/use-waypoint: other}')
  put('gateway', GATEWAY)
  await using running = await start()
  expect([...running.state.waypointRecords.wanted.entries()]).toEqual([])
  expect(running.log).toEqual([])
})

test('keepWaypointRecords() tries a write that fails again, and gives up until something changes', async () => {
  putService(', labels: {istio.io/use-waypoint: wp}')
  put('gateway', GATEWAY)
  let isAway = true
  await using running = await start(async (object, options) => {
    if (isAway) throw new Error('away')
    await running.resources.apply(object, options)
  })
  await eventually(() => expect(running.log).toEqual([...Array<string>(4).fill('failed'), 'given-up']))
  isAway = false
  put('gateway', GATEWAY.replace('for: all', 'for: service'))
  await eventually(() => expect(running.log.at(-1)).toBe('written'))
})
