import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CniNode, type TestPod } from './cni-node.ts'
import { bridgeNetwork, ptpNetwork } from './networks.ts'
import { inNetns } from './node-rules.ts'
import { buildPlugin, parseObject } from './run-plugin.ts'

requireRoot()
const OURS = '02-istio-cni.conflist'
const PRIMARY = '10-primary.conflist'
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
let node: CniNode
let numbers = 0

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`ci${process.pid}n${++numbers}`)
  node.writeNamespace(ambient)
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

const types = (): readonly string[] => node.network.plugins.map(({ type }) => type)
const isCaptured = (pod: TestPod): boolean =>
  inNetns(pod.netns, 'iptables-save', '-t', 'nat').includes('--to-ports 15006')

function newMeshPod(): TestPod {
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  return pod
}

async function startMesh(
  environment: Readonly<Record<string, string>> = {},
): ReturnType<CniNode['startAgent']> {
  const ztunnel = node.startZtunnel()
  const agent = await node.startAgent(environment)
  await waitFor('the plugin to be installed', () => types().includes('istio-cni'))
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  return agent
}

test.each([
  { primary: 'bridge', network: bridgeNetwork },
  { primary: 'ptp', network: ptpNetwork },
])(
  'installed behind Debian’s $primary, the plugin enrols a pod from its start, and a pod waits while the agent is away',
  async ({ primary, network }) => {
    node.writePrimary(network(node.directory))
    const agent = await startMesh()
    expect([node.network.file, types()]).toEqual([OURS, [primary, 'istio-cni']])
    const first = newMeshPod()
    const added = await node.add(first)
    expect(added).toMatchObject({ status: 0, stdout: added.before.trim() })
    expect(isCaptured(first)).toBe(true)
    expect((await node.check(first)).status).toBe(0)

    agent.kill('SIGKILL')
    await waitFor('the agent to end', () => agent.signalCode !== null)
    // The primary comes up first after a reboot, and writes its own file anew.
    node.writePrimary(network(node.directory))
    const waiting = newMeshPod()
    const refused = await node.add(waiting)
    expect([refused.status, parseObject(refused.stdout)['code']]).toEqual([1, 11])

    await node.startAgent()
    await waitFor('the pod to be let in', async () => (await node.add(waiting)).status === 0, {
      everyMs: 200,
    })
    expect(isCaptured(waiting)).toBe(true)
    expect((await node.del(first)).status).toBe(0)
  },
)

test('in the primary’s own file the plugin works as well, and is put back when the primary writes it anew', async () => {
  await startMesh({ ISTIO_OWNED_CNI_CONFIG: 'false' })
  expect([node.network.file, types()]).toEqual([PRIMARY, ['bridge', 'istio-cni']])
  node.writePrimary(ptpNetwork(node.directory))
  await waitFor('the plugin to be there again', () => types().join() === 'ptp,istio-cni')
  const pod = newMeshPod()
  expect((await node.add(pod)).status).toBe(0)
  expect(isCaptured(pod)).toBe(true)
})

test('as a network of its own, the plugin finds a pod’s addresses in its namespace, since Multus gives no result', async () => {
  const standalone = { CHAINED_CNI_PLUGIN: 'false', CNI_CONF_NAME: '90-istio-cni.conf' }
  const ztunnel = node.startZtunnel()
  await node.startAgent(standalone)
  await waitFor('the network', () => readdirSync(node.netDirectory).includes('90-istio-cni.conf'))
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  expect(types()).toEqual(['bridge'])
  const pod = newMeshPod()
  expect((await node.add(pod)).status).toBe(0) // the cluster's own network, which does not call our plugin
  expect(isCaptured(pod)).toBe(false)
  expect(await node.cni('ADD', pod, undefined)).toMatchObject({ status: 0, stdout: '{"cniVersion":"1.0.0"}' })
  expect(isCaptured(pod)).toBe(true)
  expect(node.exec('ipset', 'save')).toContain(`${pod.ip} comment "${pod.uid}"`)
})

test('an upgrade leaves everything in place; an uninstallation takes it away, and pods start without the mesh', async () => {
  const first = await startMesh()
  const pod = newMeshPod()
  expect((await node.add(pod)).status).toBe(0)
  first.kill('SIGTERM')
  await waitFor('the agent to end', () => first.exitCode !== null)
  expect([first.exitCode, node.network.file, readdirSync(node.binDirectory)]).toEqual([
    0,
    OURS,
    ['istio-cni'],
  ])
  expect(node.exec('iptables-save', '-t', 'nat')).toContain('ISTIO_POSTRT')
  expect(node.log()).toContain('all stays in place')

  const second = await node.startAgent()
  node.writeDaemonSet({ deletionTimestamp: '2026-01-01T00:00:00Z' })
  await node.settled()
  second.kill('SIGTERM')
  await waitFor('the agent to end', () => second.exitCode !== null)
  expect([second.exitCode, readdirSync(node.netDirectory), readdirSync(node.binDirectory)]).toEqual([
    0,
    [PRIMARY],
    [],
  ])
  expect(node.exec('iptables-save', '-t', 'nat')).not.toContain('ISTIO_POSTRT')
  expect(node.exec('ipset', 'save')).toBe('')
  expect(node.log()).toContain('the DaemonSet is being deleted')
  expect(isCaptured(pod)).toBe(true) // a captured pod does not silently become an open one
  expect((await node.add(newMeshPod())).status).toBe(0)
})

test('an agent that cannot install says why, is not ready, and recovers', async () => {
  rmSync(node.binDirectory, { recursive: true })
  await node.startAgent()
  expect(node.httpGet(8000, '/healthz')).toBe('ok\n200')
  expect(node.httpGet(8000, '/readyz')).toMatch(
    /^the plugin is not installed: PLUGIN_NOT_INSTALLED: Cannot put the plugin into .*ENOENT.*\n503$/,
  )
  expect(node.log()).toContain('PLUGIN_NOT_INSTALLED')
  expect(types()).toEqual(['bridge'])
  mkdirSync(node.binDirectory)
  await waitFor('the agent to be ready', () => node.httpGet(8000, '/readyz') === 'ok\n200', {
    everyMs: 100,
  })
  expect(types()).toEqual(['bridge', 'istio-cni'])
  const metrics = node.httpGet(15_014, '/metrics')
  expect(metrics).toMatch(/^istio_cni_install_ready 1$/m)
  expect(metrics).toMatch(/^istio_cni_installs_total\{result="COPY_BINARIES_FAILURE"\} [1-9]/m)
  expect(metrics).toMatch(/^istio_cni_installs_total\{result="SUCCESS"\} 1$/m)
})
