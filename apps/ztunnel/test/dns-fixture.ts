/** A mesh with the DNS proxy, a pod whose port 53 is redirected, and a name server in another pod. */
import { decodeMessage, type DnsMessage, encodeMessage } from '@ambient/dns'
import { waitFor } from '@ambient/testkit'
import type { DnsLimits } from '../src/dns/dns-limits.ts'
import type { DnsCounts } from '../src/dns/dns-report.ts'
import type { WorkerSettings } from '../src/worker/messages.ts'
import { askTcp, askUdp, type DnsAsker } from './dns-client.ts'
import { at, pod, service } from './mesh-fixture.ts'
import { TestNameServer } from './name-server.ts'
import { openPods } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

const NAME_SERVER = '10.0.0.53'
/** Where the app believes its name server to be. Nobody is there, and the redirect does not mind. */
export const BELIEVED = { ipv4: '10.96.0.10', ipv6: 'fd99::a' }
export const web = service('web.shop.svc.cluster.local', { addresses: [at('10.96.0.80'), at('fd00::80')] })
const peers = service('peers.shop.svc.cluster.local', {})
const client = pod('client', { addresses: ['10.0.0.1'], canonicalName: 'client', canonicalRevision: 'v1' })
const SETTINGS: Partial<WorkerSettings> = {
  ipv6: true,
  dns: {
    addresses: [
      { ip: '127.0.0.1', port: 15_053 },
      { ip: '::1', port: 15_053 },
    ],
    nameservers: [{ ip: NAME_SERVER, port: 53 }],
    clusterDomain: 'cluster.local',
    searchDomains: undefined,
    preferredNamespace: undefined,
  },
}
const LIMITS: Partial<DnsLimits> = {
  dnsForwardMs: 400,
  dnsIdleMs: 300,
  dnsPendingPerPod: 20,
  dnsConnectionsPerPod: 3,
}

export interface DnsGround extends Disposable {
  readonly pods: Awaited<ReturnType<typeof openNamespaces>>
  readonly mesh: TestMesh
  readonly server: TestNameServer
  /** The app in the pod that is enrolled. */
  readonly asker: DnsAsker
  readonly ask: (query: DnsMessage, transport?: 'udp' | 'tcp', from?: DnsAsker) => Promise<DnsMessage>
  /** Waits for a report that has what is meant; all of them since the last call. */
  readonly counted: (what: string, find: (counts: DnsCounts) => boolean) => Promise<readonly DnsCounts[]>
}

export async function openDnsGround(): Promise<DnsGround> {
  const pods = await openNamespaces()
  const server = new TestNameServer(pods.server, NAME_SERVER)
  const mesh = await openDnsMesh()
  mesh.know(peers, ...members(200))
  await mesh.enrol(pods.client, client)
  const asker = { pod: pods.client, loop: mesh.loop, server: BELIEVED.ipv4 }
  return {
    pods,
    mesh,
    server,
    asker,
    ask: async (query, transport = 'udp', from = asker) =>
      decodeMessage(await (transport === 'udp' ? askUdp : askTcp)(from, encodeMessage(query))),
    counted: async (what, find) => {
      const found = await waitFor(`${what} to be counted`, () => {
        const all = mesh.reports.flatMap((report) => (report.kind === 'dns' ? [report.counts] : []))
        return all.some(find) && all
      })
      mesh.reports.length = 0
      return found
    },
    [Symbol.dispose]: () => {
      mesh[Symbol.dispose]()
      server[Symbol.dispose]()
      pods[Symbol.dispose]()
    },
  }
}

/** One ztunnel; several may serve the same pod. */
export async function openDnsMesh(
  settings: Partial<WorkerSettings> = {},
  limits: Partial<DnsLimits> = {},
): Promise<TestMesh> {
  const mesh = await TestMesh.open({ ...SETTINGS, ...settings }, { dnsLimits: { ...LIMITS, ...limits } })
  mesh.know(web)
  return mesh
}

export function addressesOf({ answers }: DnsMessage): readonly string[] {
  return answers.flatMap(({ data }) => (data.kind === 'address' ? [data.ip] : []))
}

/** An answer to `query` with one address. */
export function answerTo(query: DnsMessage, ip: string, over: Partial<DnsMessage> = {}): Uint8Array {
  const name = query.questions[0]?.name ?? ''
  return encodeMessage({
    ...query,
    isResponse: true,
    recursionAvailable: true,
    answers: [{ name, class: 1, ttlSeconds: 77, data: { kind: 'address', ip } }],
    ...over,
  })
}

function members(count: number): ReturnType<typeof pod>[] {
  return Array.from({ length: count }, (_, i) =>
    pod(`peer-${i}`, { addresses: [`10.0.9.${i}`], services: { [`shop/${peers.hostname}`]: [] } }),
  )
}

async function openNamespaces() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', alsoAt: ['fd99::1'], dnsCaptured: true },
    { name: 'late', ip: '10.0.0.2', dnsCaptured: true },
    { name: 'server', ip: NAME_SERVER },
  ])
}
