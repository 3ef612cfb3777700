import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources, type KubeObject, type Manifest, resourceKinds } from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { createLogger, LevelFilter } from '@ambient/telemetry'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { parseCommand } from '../src/config.ts'
import { startController } from '../src/start-controller.ts'

const GATEWAY = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec:
  gatewayClassName: istio-waypoint
  listeners: [{ name: mesh, port: 15008, protocol: HBONE }]
`

interface Cluster {
  readonly resources: FileResources
  readonly logs: string[]
  readonly monitoringPort: number
  /** Puts a file of objects there as a user does. */
  put(name: string, yaml: string): Promise<void>
  remove(name: string): Promise<void>
  /** What the cluster itself does, such as giving a Service its address. */
  act(object: Manifest): Promise<void>
  status(ref: { kind: 'Deployment'; name: string }, status: object): Promise<void>
  find(kind: KubeObject['kind'], name: string): Promise<KubeObject | undefined>
}

/** A controller on a directory in place of a cluster; ends with the test. */
async function start(files: Readonly<Record<string, string>> = { gateway: GATEWAY }): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'waypoints-'))
  const put = (name: string, yaml: string): Promise<void> => writeFile(join(directory, `${name}.yaml`), yaml)
  for (const [name, yaml] of Object.entries(files)) await put(name, yaml)
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const command = parseCommand(
    [
      '--config-dir',
      directory,
      '--image',
      'hub/waypoint:1',
      '--listen',
      '127.0.0.1',
      '--monitoring-port',
      '0',
    ],
    {},
  )
  if (command.kind !== 'run') throw new Error('it is to run')
  const logs: string[] = []
  const logger = createLogger({
    format: 'plain',
    level: LevelFilter.parse('info'),
    write: (line) => void logs.push(line),
    clock: systemClock,
    scope: 'test',
  })
  const controller = await startController(command.config, {
    clock: systemClock,
    random: systemRandom,
    logger,
    version: 'test',
  })
  controller.failed.catch((cause: unknown) => logs.push(`failed: ${String(cause)}`))
  onTestFinished(async () => {
    await controller[Symbol.asyncDispose]()
    await resources[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, maxRetries: 5 })
    expect(logs.filter((line) => line.startsWith('failed'))).toEqual([])
  })
  return {
    resources,
    logs,
    monitoringPort: controller.monitoringPort,
    put,
    remove: (name) => unlink(join(directory, `${name}.yaml`)),
    act: (object) => resources.apply(object, { owner: 'cluster' }),
    status: (ref, status) =>
      resources.applyStatus({ ...ref, namespace: 'shop' }, { ...status }, { owner: 'cluster' }),
    find: async (kind, name) => {
      const options = resourceKinds[kind].namespaced ? { namespace: 'shop' } : {}
      return (await resources.list(kind, options)).find(({ metadata }) => metadata.name === name)
    },
  }
}

async function programmed({ find }: Cluster): Promise<unknown> {
  const { status } = ((await find('Gateway', 'waypoint')) ?? {}) as {
    status?: {
      conditions?: { type: string; status: string; reason: string }[]
      addresses?: { value: string }[]
    }
  }
  const condition = status?.conditions?.find(({ type }) => type === 'Programmed')
  return { reason: condition?.reason, addresses: status?.addresses?.map(({ value }) => value) }
}

/** As a cluster does with what the controller makes. */
async function bringUp(cluster: Cluster): Promise<void> {
  await waitFor('the Service', async () => (await cluster.find('Service', 'waypoint')) !== undefined)
  await cluster.act({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'waypoint', namespace: 'shop' },
    spec: { clusterIP: '10.96.0.7' },
  })
  await cluster.status({ kind: 'Deployment', name: 'waypoint' }, { readyReplicas: 1 })
}

test('a Gateway gets its waypoint, and its address when a pod is ready; then nothing is written any more', async () => {
  const cluster = await start()
  await waitFor('the account', async () => (await cluster.find('ServiceAccount', 'waypoint')) !== undefined)
  expect(await cluster.find('GatewayClass', 'istio-waypoint')).toBeDefined()
  await waitFor('the status', async () =>
    JSON.stringify(await programmed(cluster)).includes('AddressNotAssigned'),
  )
  await bringUp(cluster)
  await waitFor('the address', async () => JSON.stringify(await programmed(cluster)).includes('10.96.0.7'))
  expect(await programmed(cluster)).toEqual({
    reason: 'Programmed',
    addresses: ['waypoint.shop.svc.cluster.local', '10.96.0.7'],
  })
  const { metadata } = (await cluster.find('Gateway', 'waypoint')) ?? {}
  expect(metadata?.annotations['gateway.istio.io/controller-version']).toBe('5')
  const before = cluster.logs.length
  await cluster.put('unrelated', 'apiVersion: v1\nkind: Namespace\nmetadata: { name: other }\n')
  await cluster.status({ kind: 'Deployment', name: 'waypoint' }, { readyReplicas: 0 })
  const metrics = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${cluster.monitoringPort}/metrics`)).text()
  const looks = async (): Promise<number> =>
    Number(/ambient_gateways_settled_total\{outcome="reached"\} (\d+)/.exec(await metrics())?.[1] ?? 0)
  const seen = await looks()
  await cluster.status({ kind: 'Deployment', name: 'waypoint' }, { readyReplicas: 2 })
  await waitFor('another look at the Gateway', async () => (await looks()) > seen)
  expect(cluster.logs.slice(before)).toEqual([])
  expect(await programmed(cluster)).toMatchObject({ reason: 'Programmed' })
})

test('what is no longer asked for goes, and what somebody changed comes back', async () => {
  const scaled = `${GATEWAY}  infrastructure: { parametersRef: { group: "", kind: ConfigMap, name: scale } }\n`
  const cluster = await start({
    gateway: scaled,
    scale: `apiVersion: v1
kind: ConfigMap
metadata: { name: scale, namespace: shop }
data: { horizontalPodAutoscaler: "spec: { maxReplicas: 3 }" }
`,
  })
  const exists = (name: string): Promise<unknown> =>
    waitFor('the autoscaler', async () => (await cluster.find('HorizontalPodAutoscaler', name)) !== undefined)
  await exists('waypoint')
  await cluster.put('gateway', GATEWAY)
  await waitFor(
    'the autoscaler to go',
    async () => (await cluster.find('HorizontalPodAutoscaler', 'waypoint')) === undefined,
  )
  const replicas = async (): Promise<unknown> => {
    const { spec } = ((await cluster.find('Deployment', 'waypoint')) ?? {}) as {
      spec?: { replicas?: number }
    }
    return spec?.replicas
  }
  await cluster.put('gateway', scaled)
  await cluster.put(
    'scale',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: scale, namespace: shop }\ndata: { deployment: "spec: { replicas: 4 }" }\n',
  )
  await waitFor('four replicas', async () => (await replicas()) === 4)
  await cluster.put(
    'scale',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: scale, namespace: shop }\ndata: {}\n',
  )
  await waitFor('the Deployment to say nothing of replicas', async () => (await replicas()) === undefined)
})

test('an object of somebody else is not taken over, and the status says which', async () => {
  const cluster = await start({
    gateway: GATEWAY,
    theirs:
      'apiVersion: v1\nkind: Service\nmetadata: { name: waypoint, namespace: shop }\nspec: { clusterIP: 10.96.0.9 }\n',
  })
  const said = async (): Promise<boolean> =>
    JSON.stringify((await cluster.find('Gateway', 'waypoint'))?.status ?? '').includes(
      'Service shop/waypoint was not made for this Gateway',
    )
  await waitFor('the status', said)
  expect(await cluster.find('Deployment', 'waypoint')).toBeUndefined()
  await cluster.remove('theirs')
  await cluster.put('gateway', GATEWAY.replace('namespace: shop', 'namespace: shop, labels: { try: again }'))
  await waitFor('the waypoint', async () => (await cluster.find('Deployment', 'waypoint')) !== undefined)
})

test('a Gateway of another class or revision is left alone, without a status', async () => {
  const other = GATEWAY.replace('name: waypoint', 'name: other')
  const cluster = await start({
    gateway: GATEWAY,
    foreign: other.replace('istio-waypoint', 'nobody'),
    blue: other.replace('name: other', 'name: blue, labels: { istio.io/rev: blue }'),
  })
  await waitFor('the waypoint', async () => (await cluster.find('Service', 'waypoint')) !== undefined)
  expect((await cluster.find('Gateway', 'other'))?.status).toBeUndefined()
  expect((await cluster.find('Gateway', 'blue'))?.status).toBeUndefined()
  expect((await cluster.resources.list('Deployment')).map(({ metadata }) => metadata.name)).toEqual([
    'waypoint',
  ])
})
