import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { allProcesses, type Lab, type LabPod, type LabProcess, waitFor } from '@ambient/lab'
import { stringify } from 'yaml'
import type { Contestant } from './contestants.ts'
import {
  type HeldConnections,
  holdConnections,
  loadArguments,
  type LoadCounts,
  type LoadRequest,
  runLoad,
  type Target,
} from './load-program.ts'
import { treeUse, type TreeUse } from './machine-load.ts'
import { proveWay } from './prove-way.ts'
import { PAIR_ENTRANCE, startPair } from './proxy-pair.ts'

/** Two pods on two nodes, the load's server in one of them: what one contestant is measured on. */
export interface Ground {
  readonly lab: Lab
  /**
   * Puts load on the server from the client.
   *
   * @param onCounting Called once the warm-up is over.
   * @throws {Error} when a single answer was wrong or missing
   */
  load(request: LoadRequest, onCounting?: () => void): Promise<LoadCounts>
  /** Has the client look up one name again and again, as `load` does. @returns nothing where DNS goes no way of its own */
  lookUp(name: KnownName, request: Pick<LoadRequest, 'many' | 'seconds'>): Promise<LoadCounts | undefined>
  /** Opens connections that do nothing. @returns once all are open and have been seen to work */
  hold(many: number, deadlineMs: number): Promise<HeldConnections>
  /** What the programs that carry the bytes have used and hold, at both ends together. */
  use(): TreeUse
}

/** The service in front of the server, or a name that only cluster DNS knows. */
export type KnownName = 'service' | 'outside'

const PORT = 8080
const DNS_PORT = 53
const READY_MS = 120_000
/** Beyond the time that is measured: namespaces to enter, warm-up, a machine with other work. */
const SPARE_MS = 30_000

/** Kubernetes YAML of the namespace and its two pods. */
function groundManifest(namespace: string, isEnrolled: boolean): string {
  const labels = isEnrolled ? { 'istio.io/dataplane-mode': 'ambient' } : {}
  const pods = ['client', 'server'].flatMap((name, index) => [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        nodeName: `node${index + 1}`,
        serviceAccountName: name,
        containers: [{ name: 'idle', command: ['sleep', 'infinity'] }],
      },
    },
  ])
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'server', namespace },
    spec: { clusterIP: 'None', selector: { app: 'server' }, ports: [{ port: PORT }] },
  }
  const ours = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }
  const objects = [ours, ...pods, service]
  return objects.map((object) => stringify(object)).join('---\n')
}

/** Makes the pods, starts the server and the contestant, and sees the first right answers come the way they should. */
export async function openGround(lab: Lab, contestant: Contestant, program: string): Promise<Ground> {
  const namespace = `bench-${contestant.name}`
  lab.apply(groundManifest(namespace, contestant.carrier.kind === 'mesh'))
  const [client, server] = [lab.pod(`${namespace}/client`), lab.pod(`${namespace}/server`)]
  for (const pod of [client, server]) await pod.ready(READY_MS)
  await server.withHostFiles().start([program, 'serve', String(PORT)])
  const { target, pids, said } = await startCarrier(lab, contestant, { client, server })
  const ground: Ground = {
    lab,
    hold: (many, deadlineMs) =>
      holdConnections(client, [program, 'idle', target.ip, String(target.port), String(many)], deadlineMs),
    load: (request, onCounting) =>
      runLoad(
        client,
        [program, ...loadArguments(target, request)],
        request.seconds * 1000 + SPARE_MS,
        onCounting,
      ),
    lookUp: async (known, request) => {
      if (contestant.carrier.kind === 'pair') return undefined
      const [name, ip] =
        known === 'outside'
          ? ['outside.test', '192.0.2.1']
          : [`server.${namespace}.svc.cluster.local`, server.ip]
      const { stdout } = await client.exec('sed -n "s/^nameserver //p" /etc/resolv.conf')
      const nameServer = { ip: stdout.split('\n')[0] ?? '', port: DNS_PORT }
      const argv = [program, ...loadArguments(nameServer, { ...request, mode: 'dns' }), name, ip]
      return runLoad(client, argv, request.seconds * 1000 + SPARE_MS)
    },
    use: () => treeUse(allProcesses(), pids()),
  }
  await proveWay(lab, contestant, { clientIp: client.ip, serverIp: server.ip }, () =>
    untilItCarries(ground, contestant, said),
  )
  return ground
}

/** @throws {LabError} `TIMEOUT`, with what the contestant's programs said */
async function untilItCarries(ground: Ground, { name }: Contestant, said: () => string): Promise<void> {
  const attempt = async (): Promise<true> => {
    try {
      await ground.load({ mode: 'round-trips', many: 1, seconds: 0.1, rate: 10 })
      return true
    } catch (cause) {
      throw new Error(`${errorText(cause)}; ${said()}`, { cause })
    }
  }
  await waitFor(`${name} to carry a connection`, attempt, READY_MS)
}

interface StartedCarrier {
  readonly target: Target
  /** Their last words. */
  readonly said: () => string
  /** Of the programs that carry the bytes. */
  readonly pids: () => readonly number[]
}

async function startCarrier(
  lab: Lab,
  { name, carrier }: Contestant,
  pods: { readonly client: LabPod; readonly server: LabPod },
): Promise<StartedCarrier> {
  const direct = { ip: pods.server.ip, port: PORT }
  switch (carrier.kind) {
    case 'none':
      return { target: direct, pids: () => [], said: () => '' }
    case 'mesh': {
      const apps = lab.nodes.map((node) => lab.app(`ztunnel@${node.name}`))
      const pids = (): readonly number[] => apps.map(({ pid }) => pid)
      return { target: direct, pids, said: () => apps.map(lastWords).join('') }
    }
    case 'pair': {
      const halves = await startPair(carrier.pair, pods, join(lab.directory, 'bench', name))
      const pids = (): readonly number[] => halves.map(pidOf)
      return { target: PAIR_ENTRANCE, pids, said: () => halves.map(lastWords).join('') }
    }
  }
}

function pidOf(half: LabProcess): number {
  if (half.facts === undefined) throw new Error(`${half.name} has ended: ${lastWords(half)}`)
  return half.facts.pid
}

function lastWords(program: { logs(): string }): string {
  return program.logs().slice(-500)
}
