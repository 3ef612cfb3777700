import { GrpcServer, type GrpcServerCall } from '@ambient/grpc'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { type Address, addressName, defineWorkload } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { createLogger, LevelFilter, type Logger } from '@ambient/telemetry'
import { testCa, waitFor } from '@ambient/testkit'
import { expect, onTestFinished } from 'vitest'
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type ClientScope,
  DeltaXdsServer,
  type DeltaXdsServerOptions,
  encodeAddressResource,
  encodeAuthorizationResource,
  ResourceTable,
  runXdsClient,
  type XdsClientOptions,
  type XdsEvent,
  type XdsServerEvent,
  type XdsSink,
  workloadView,
} from '../src/index.ts'

const ca = await testCa()
const named = await ca.issue({ dnsNames: ['istiod.istio-system.svc', 'localhost'] })
const addressed = await ca.issue({ dnsNames: ['istiod'], ips: ['127.0.0.1'] })
export const rootPem: string = ca.rootPem

export const quiet: Logger = createLogger({
  format: 'plain',
  level: LevelFilter.parse('off'),
  write: () => {},
  clock: systemClock,
  scope: 'test',
})

export const workload = (uid: string, network: string = ''): Address => ({
  kind: 'workload',
  workload: defineWorkload({ uid, name: uid, namespace: 'shop', network }),
})
export const policy = (name: string): AuthorizationPolicy => ({
  name,
  namespace: 'shop',
  scope: 'namespace',
  action: 'allow',
  dryRun: false,
  rules: [],
})

export interface Tables {
  readonly addresses: ResourceTable
  readonly policies: ResourceTable
}

export function tables(): Tables {
  return { addresses: new ResourceTable(ADDRESS_TYPE), policies: new ResourceTable(AUTHORIZATION_TYPE) }
}

/** Sets addresses and takes others away, in one batch. */
export function setAddresses(
  { addresses }: Tables,
  upserts: readonly Address[],
  removed: readonly string[] = [],
): void {
  addresses.apply(
    upserts.map((address) => encodeAddressResource(address)),
    removed,
  )
}

export function setPolicies(
  { policies }: Tables,
  upserts: readonly AuthorizationPolicy[],
  removed: readonly string[] = [],
): void {
  policies.apply(
    upserts.map((one) => encodeAuthorizationResource(one)),
    removed,
  )
}

export interface ControlPlane {
  readonly port: number
  readonly xds: DeltaXdsServer<string>
  readonly events: readonly XdsServerEvent[]
  /** In the order in which they came. */
  readonly calls: readonly GrpcServerCall[]
  stop(): Promise<void>
}

/** A control plane over TLS on loopback; ends with the test. */
export async function serve(
  content: Tables,
  options: Partial<DeltaXdsServerOptions<string>> & {
    readonly scope?: Partial<ClientScope>
    readonly port?: number
    readonly plaintext?: boolean
    readonly isNamedByAddress?: boolean
  } = {},
): Promise<ControlPlane> {
  const events: XdsServerEvent[] = []
  const faults: unknown[] = []
  const calls: GrpcServerCall[] = []
  const identity = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel'
  const views = [content.policies, content.addresses, workloadView(content.addresses)]
  const xds = new DeltaXdsServer<string>({
    authenticate: () => Promise.resolve({ kind: 'accepted', caller: identity }),
    admit: () => ({ kind: 'admitted', scope: { identity, views, ...options.scope } }),
    isSynced: () => true,
    clock: systemClock,
    logger: quiet,
    onEvent: (event) => void events.push(event),
    ...options,
  })
  const serving = options.isNamedByAddress === true ? addressed : named
  const server = await GrpcServer.open({
    address: '127.0.0.1',
    port: options.port ?? 0,
    credentials: options.plaintext === true ? 'plaintext' : { ...serving, clientRootsPem: rootPem },
    methods: Object.fromEntries(
      Object.entries(xds.methods).map(([path, method]) => [
        path,
        (call: GrpcServerCall) => {
          calls.push(call)
          return method(call)
        },
      ]),
    ),
    random: systemRandom,
    onFault: (cause) => void faults.push(cause),
  })
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= server[Symbol.asyncDispose]())
  onTestFinished(async () => {
    await stop()
    expect(faults).toEqual([])
  })
  return { port: server.port, xds, events, calls, stop }
}

/** What a node knows, and in which order it was told. */
export interface Node {
  readonly addresses: Map<string, Address>
  readonly policies: Map<string, AuthorizationPolicy>
  /** `+name` and `-name`; a call of the sink is one entry. */
  readonly told: string[]
  readonly events: XdsEvent[]
  readonly running: Promise<void>
  readonly end: AbortController
  /** Waits until both types have come once. */
  synced(): Promise<unknown>
}

export function connect(
  port: number,
  options: Partial<XdsClientOptions> & { readonly sink?: Partial<XdsSink> } = {},
): Node {
  const end = new AbortController()
  const events: XdsEvent[] = []
  const told: string[] = []
  const addresses = new Map<string, Address>()
  const policies = new Map<string, AuthorizationPolicy>()
  const sink: XdsSink = {
    onAddresses: ({ upserts, removed }) => {
      for (const name of removed) addresses.delete(name)
      for (const address of upserts) addresses.set(addressName(address), address)
      told.push(
        [...removed.map((name) => `-${name}`), ...upserts.map((address) => `+${addressName(address)}`)].join(
          ' ',
        ),
      )
    },
    onAuthorizations: ({ upserts, removed }) => {
      for (const name of removed) policies.delete(name)
      for (const one of upserts) policies.set(policyKey(one), one)
      told.push(
        [...removed.map((name) => `-${name}`), ...upserts.map((one) => `+${policyKey(one)}`)].join(' '),
      )
    },
    ...options.sink,
  }
  const defaults: XdsClientOptions = {
    address: { host: 'localhost', port, plaintext: false },
    roots: () => Promise.resolve(rootPem),
    altHostname: undefined,
    token: () => Promise.resolve('jwt'),
    headers: { 'x-extra': 'yes' },
    clusterId: 'Kubernetes',
    node: {
      id: 'ztunnel~10.0.0.9~zt.istio-system~istio-system.svc.cluster.local',
      metadata: { NODE_NAME: 'node-a' },
    },
    clock: systemClock,
    random: systemRandom,
    logger: quiet,
    onEvent: (event) => void events.push(event),
  }
  const running = runXdsClient({ ...defaults, ...options }, sink, end.signal)
  onTestFinished(async () => {
    end.abort()
    await running
  })
  const synced = (): Promise<unknown> =>
    waitFor('both types', () => events.filter(({ kind }) => kind === 'synced').length === 2)
  return { addresses, policies, told, events, running, end, synced }
}
