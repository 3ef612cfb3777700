/** What is open stays open: at enrolment, while the agent is away, and while it is replaced. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { NAMESPACE } from '../install.ts'
import { enrolled, redirections, shop } from '../shop.ts'
import { SteadyClient } from '../steady-client.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'kept'
const AGENTS = ['-n', NAMESPACE, 'daemonset/istio-cni-node'] as const
let steady: SteadyClient
let image: string

beforeAll(async () => {
  await cluster.apply(shop(SPACE))
  await cluster.podsReady(SPACE, 'app')
  image = await cluster.kubectl('get', ...AGENTS, '-o', 'jsonpath={.spec.template.spec.containers[0].image}')
  steady = await SteadyClient.start(cluster, {
    pod: `${SPACE}/client`,
    host: `web.${SPACE}`,
    port: 9000,
    perSecond: 5,
  })
})
afterAll(async () => {
  await setImage(image)
  await cluster.kubectl('rollout', 'status', ...AGENTS, '--timeout=120s')
  await cluster.delete('namespace', SPACE, '--wait=false')
  await cluster.delete('pod', '-n', 'kube-system', 'excluded', '--wait=false')
})

async function setImage(to: string): Promise<void> {
  await cluster.kubectl('set', 'image', ...AGENTS, `install-cni=${to}`)
}

async function expectUnbroken(): Promise<void> {
  const { echoes } = (await steady.seen()).kept
  await steady.answered(10)
  const { failed, kept } = await steady.seen()
  expect(failed).toEqual({})
  expect(kept.end).toBe('')
  expect(kept.echoes).toBeGreaterThan(echoes)
}

function sleeper(name: string, namespace: string): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: 'node:26-bookworm-slim', imagePullPolicy: IfNotPresent, command: [sleep, infinity] }]
`
}

async function phase(pod: string, namespace: string): Promise<string> {
  return cluster.kubectl('get', 'pod', '-n', namespace, pod, '-o', 'jsonpath={.status.phase}')
}

test('a connection from before goes on when both its ends are enrolled, and no other one fails', async () => {
  await cluster.kubectl('label', 'namespace', SPACE, 'istio.io/dataplane-mode=ambient')
  await enrolled(cluster, SPACE, 120_000)
  await expectUnbroken()
})

test('the agents are replaced three times, and nothing is cut or refused', async () => {
  for (let times = 0; times < 3; times++) {
    await cluster.kubectl('rollout', 'restart', ...AGENTS)
    await cluster.must(['kubectl', 'rollout', 'status', ...AGENTS, '--timeout=300s'], '', 310_000)
  }
  await expectUnbroken()
}, 960_000)

test('while no agent runs, connections go on, a pod of the mesh waits, and one of kube-system starts', async () => {
  await setImage('ambient/none:none')
  await cluster.delete('pod', '-n', NAMESPACE, '-l', 'k8s-app=istio-cni-node', '--wait=true')
  await cluster.apply(sleeper('late', SPACE))
  await cluster.apply(sleeper('excluded', 'kube-system'))
  await cluster.waitFor(
    'the pod of kube-system to run',
    async () => (await phase('excluded', 'kube-system')) === 'Running',
    90_000,
  )
  await cluster.waitFor(
    'the runtime to be told to try again',
    async () => {
      const events = await cluster.kubectl(
        'get',
        'events',
        '-n',
        SPACE,
        '--field-selector',
        'involvedObject.name=late',
      )
      return events.includes('FailedCreatePodSandBox')
    },
    90_000,
  )
  expect(await phase('late', SPACE)).toBe('Pending')
  await expectUnbroken()
})

test('when the agents are back, the pod that waited runs, in the mesh', async () => {
  await setImage(image)
  await cluster.waitFor('the pod to run', async () => (await phase('late', SPACE)) === 'Running', 180_000)
  expect(await redirections(cluster, SPACE)).toBe('enabled enabled enabled enabled')
  await expectUnbroken()
}, 240_000)

test('taken out of the mesh, the connection from before is still the same', async () => {
  await cluster.kubectl('label', 'namespace', SPACE, 'istio.io/dataplane-mode-')
  await cluster.waitFor(
    'no pod to be enrolled',
    async () => (await redirections(cluster, SPACE)) === '',
    120_000,
  )
  const { kept } = await steady.stop()
  expect(kept.end).toBe('')
})
