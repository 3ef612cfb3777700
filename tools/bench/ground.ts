import { type Lab, type LabPod, waitFor } from '@ambient/lab'
import { stringify } from 'yaml'
import { countOf, installLoad, LOAD_IN_POD, type LoadCounts, runLoad } from './load-program.ts'

/** Two pods on two nodes, the load's server in one of them: what one contestant is measured on. */
export interface Ground {
  /** Puts load on the server from the client. @throws {Error} when a single answer was wrong or missing */
  load(mode: 'connections' | 'bytes', many: number, seconds: number): Promise<LoadCounts>
}

export interface GroundPlan {
  /** Its own, so that contestants stand side by side in one lab. */
  readonly namespace: string
  /** Whether the mesh carries it; seen to be so before anything is measured. */
  readonly isEnrolled: boolean
}

const PORT = 8080
const PROOF_SECONDS = 0.1
const READY_MS = 30_000
const COUNTED_MS = 5_000

/** Kubernetes YAML of the namespace and its two pods. */
function groundManifest({ namespace, isEnrolled }: GroundPlan): string {
  const labels = isEnrolled ? { 'istio.io/dataplane-mode': 'ambient' } : {}
  const pods = ['client', 'server'].flatMap((name, index) => [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        nodeName: `node${index + 1}`,
        serviceAccountName: name,
        containers: [{ name: 'idle', command: ['sleep', 'infinity'] }],
      },
    },
  ])
  const objects = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }, ...pods]
  return objects.map((object) => stringify(object)).join('---\n')
}

/** Makes the pods, starts the server, and sees the first right answers come the way they should. */
export async function openGround(lab: Lab, plan: GroundPlan, program: Buffer): Promise<Ground> {
  lab.apply(groundManifest(plan))
  const [client, server] = [lab.pod(`${plan.namespace}/client`), lab.pod(`${plan.namespace}/server`)]
  for (const pod of [client, server]) {
    await pod.ready(READY_MS)
    await installLoad(pod, program)
  }
  await server.start([LOAD_IN_POD, 'serve', String(PORT)])
  const ground = groundOf(client, server)
  await proveWay(lab, ground, plan)
  return ground
}

function groundOf(client: LabPod, server: LabPod): Ground {
  return {
    load: (mode, many, seconds) => runLoad(client, { mode, ip: server.ip, port: PORT, many, seconds }),
  }
}

/** A contestant that is not carried as it claims would be measured all the same, and nobody would know. */
async function proveWay(lab: Lab, ground: Ground, plan: GroundPlan): Promise<void> {
  await waitFor('the server to answer', () => ground.load('connections', 1, PROOF_SECONDS), READY_MS)
  const before = await openedConnections(lab)
  const sent = countOf(await ground.load('connections', 1, PROOF_SECONDS), 'all')
  if (!plan.isEnrolled) {
    const carried = (await openedConnections(lab)) - before
    if (carried > 0) throw new Error(`${carried} connections of ${plan.namespace} went through the mesh`)
    return
  }
  await waitFor(
    `the mesh to count ${sent} connections of ${plan.namespace}`,
    async () => (await openedConnections(lab)) - before >= sent,
    COUNTED_MS,
  )
}

/** What the ztunnel beside the server has counted. */
async function openedConnections(lab: Lab): Promise<number> {
  const { body } = await lab.httpGet('ztunnel@node2', 15020, '/metrics')
  return body
    .split('\n')
    .filter((line) => line.startsWith('istio_tcp_connections_opened_total{'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
