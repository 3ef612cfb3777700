import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CniNode, type TestPod } from './cni-node.ts'
import { inNetns } from './node-rules.ts'
import { connectTo, startEcho } from './pod-programs.ts'
import { buildPlugin } from './run-plugin.ts'

requireRoot()
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
let node: CniNode
let ztunnel: ReturnType<CniNode['startZtunnel']>
let numbers = 0

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`cx${process.pid}n${++numbers}`)
  node.writeNamespace(ambient)
  ztunnel = node.startZtunnel()
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

const isCaptured = (pod: TestPod): boolean =>
  inNetns(pod.netns, 'iptables-save', '-t', 'nat').includes('--to-ports 15006')
const eventsOf = async (): Promise<readonly string[]> =>
  (await node.objects('Event')).map((event) => String(event['reason'])).toSorted()

async function startAgent(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  await node.startAgent(environment)
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
}

/** A pod of the mesh with a program in it, and its annotation. */
async function startPod(): Promise<TestPod> {
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  expect((await node.add(pod)).status).toBe(0)
  await startEcho(node, pod)
  node.writePod(pod)
  await waitFor('the annotation', async () => (await node.annotationOf(pod)) === 'enabled')
  return pod
}

/** Its sandbox ends, and comes back at a time in which no network calls our plugin. */
async function replaceSandbox(pod: TestPod): Promise<TestPod> {
  await node.endProcesses(pod)
  const again = node.newSandbox(pod)
  await node.addWithoutPlugin(again)
  await startEcho(node, again)
  node.writePod(again)
  return again
}

test('a pod that started before agent and plugin is enrolled when they come, and keeps its connections', async () => {
  const pod = node.newPod()
  await node.addWithoutPlugin(pod)
  await startEcho(node, pod)
  node.writePod(pod)
  const other = node.newPod()
  await node.addWithoutPlugin(other)
  const open = connectTo(node, pod, other.netns)
  await waitFor('a greeting', () => open.heard().includes('peer'))
  await startAgent()
  await waitFor('the pod to be enrolled', async () => (await node.annotationOf(pod)) === 'enabled')
  expect(isCaptured(pod)).toBe(true)
  open.send('still here')
  await waitFor('an echo on the connection from before', () => open.heard().includes('still here'))
  expect(await eventsOf()).toEqual([]) // it was never said to be in the mesh
})

test('a sandbox that was made without the plugin is found and enrolled, and the event says what it means', async () => {
  await startAgent()
  const pod = await startPod()
  const again = await replaceSandbox(pod)
  expect(isCaptured(again)).toBe(false)
  const startMs = performance.now()
  await waitFor('the new sandbox to be captured', () => isCaptured(again))
  process.stdout.write(
    `a sandbox made without the plugin was captured after ${Math.round(performance.now() - startMs)} ms\n`,
  )
  await waitFor('the pod to be enrolled', async () => (await node.state(again)) === 'enrolled')
  await waitFor('both events', async () => (await eventsOf()).join() === 'MeshRepaired,NotInMesh')
  expect(node.httpGet(15_014, '/metrics')).toContain(
    'istio_cni_repair_pods_repaired_total{type="repair",result="success"} 1',
  )
  const added = ztunnel.events().filter(({ kind, uid }) => kind === 'add' && uid === pod.uid)
  expect(added.length).toBeGreaterThan(1)
})

test.each([
  { action: 'delete', environment: { REPAIR_DELETE_PODS: 'true' } },
  { action: 'label', environment: { REPAIR_LABEL_PODS: 'true' } },
  { action: 'event', environment: {} },
])('when it is configured so, such a pod is left alone: $action', async ({ action, environment }) => {
  await startAgent({ REPAIR_REPAIR_PODS: 'false', ...environment })
  const pod = await startPod()
  const again = await replaceSandbox(pod)
  await waitFor('the pod to be seen', async () => (await node.state(again)) === 'broken')
  await waitFor('the event', async () => (await eventsOf()).join() === 'NotInMesh')
  const seen = async (): Promise<string> => {
    const [found] = await node.objects('Pod')
    if (found?.metadata.deletionTimestamp !== undefined) return 'delete'
    return found?.metadata.labels['cni.istio.io/uninitialized'] === 'true' ? 'label' : 'event'
  }
  await waitFor(`the pod to show the action ${action}`, async () => (await seen()) === action)
  expect(isCaptured(again)).toBe(false)
})

test('a ztunnel that does not listen in a pod is told again, and at last as of a new one', async () => {
  await startAgent()
  const pod = await startPod()
  const deafAt = ztunnel.events().length
  ztunnel.process.kill('SIGUSR2')
  await waitFor('ztunnel to be deaf', () => ztunnel.events().some(({ kind }) => kind === 'deaf'))
  const told = (): readonly unknown[] =>
    ztunnel
      .events()
      .slice(deafAt)
      .filter(({ uid }) => uid === pod.uid)
      .map(({ kind }) => kind)
  await waitFor('ztunnel to be told', () => told().join() === 'add,del,add', { deadlineMs: 60_000 })
  const outside = node.newPod()
  node.writePod(outside, { labels: { 'istio.io/dataplane-mode': 'none' } })
  expect((await node.add(outside)).status).toBe(0)
  const client = connectTo(node, pod, outside.netns)
  await waitFor('a greeting through ztunnel', () => client.heard().includes('peer'))
  expect(node.httpGet(15_014, '/metrics')).toContain('ambient_cni_listeners_restored_total 2')
})
