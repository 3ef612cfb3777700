import type { EventLoop } from '@ambient/event-loop'
import type { HboneLimits, LoopBuffers, PipeCache, SessionPool } from '@ambient/hbone'
import type { NetworkNamespace, SocketAddress } from '@ambient/linux'
import type { Random } from '@ambient/lifecycle'
import type { LevelFilter, ReasonCode } from '@ambient/telemetry'
import type { DnsThread } from '../dns/dns-thread.ts'
import type { FailingEndpoints } from '../outbound/failing-endpoints.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { AddressWaits } from './address-waits.ts'
import type { Connection, ConnectionFacts } from './connection.ts'
import type { HostAddresses, HostAnswer } from './host-addresses.ts'
import type { IdentityStore } from './identity-store.ts'
import type { PodInfo, WorkerSettings } from './messages.ts'
import type { Revocations } from './revocations.ts'
import type { TrafficReport } from './traffic-report.ts'
import type { WorkloadWaits } from './workload-waits.ts'

/** What every pod of one byte thread shares. */
export interface WorkerShared {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
  readonly pipes: PipeCache
  readonly settings: WorkerSettings
  /** Ports of a pod that are ours: nobody may ask for them. */
  readonly illegalPorts: ReadonlySet<number>
  readonly random: Random
  readonly snapshot: MeshSnapshot
  readonly identities: IdentityStore
  readonly revocations: Revocations
  readonly waits: WorkloadWaits
  /** Only where the mesh is known on demand. */
  readonly addresses: AddressWaits | undefined
  readonly hosts: HostAddresses
  readonly report: TrafficReport
  /** Undefined when pods' DNS is not ours. */
  readonly dns: DnsThread | undefined
  /** Whether a line of this scope and level is written at all. */
  readonly isLogged: LevelFilter['allows']
  /** Runs `step` for one socket that nothing else owns yet; an exception in it ends that socket only. */
  readonly contain: (fd: number, step: () => void) => void
}

/** What the serving functions may know and do of the pod whose listener accepted. */
export interface PodContext {
  readonly uid: string
  readonly info: PodInfo
  readonly netns: NetworkNamespace
  readonly shared: WorkerShared
  readonly pool: SessionPool
  readonly failing: FailingEndpoints
  /** Apps see who called; ztunnel's own ports do not need to. */
  readonly keepsSource: boolean
  /** False once the pod is gone: whatever comes back late from a wait is refused. */
  readonly isOpen: boolean
  readonly track: (facts: ConnectionFacts, reauthorize?: Reauthorize) => Connection
  /** Resets `fd` and says why. */
  readonly refuse: (fd: number, refusal: Refusal) => void
  /** Says why something was refused whose socket somebody else has closed. */
  readonly refused: (refusal: Refusal) => void
  /** Keeps what serves an accepted socket of `side`, and counts that socket; returns how to let it go. */
  readonly adopt: (server: Closable, side: 'source' | 'destination') => () => void
  /** Asks the pod's DNS proxy as an app would; `undefined` when it has none. Nothing comes once the pod is gone. */
  readonly lookup:
    | ((hostname: string, family: 'v4' | 'v6', use: (answer: HostAnswer) => void) => void)
    | undefined
}

/** Whether a connection that was let in may still go on; asked again when policies or its workload change. */
export type Reauthorize = () =>
  | { readonly kind: 'allowed' }
  | { readonly kind: 'denied'; readonly detail: string; readonly policy?: string }

export interface Closable {
  readonly drain: () => void
  readonly close: (reason: string) => void
}

export interface Refusal {
  readonly direction: 'inbound' | 'outbound'
  readonly src: SocketAddress
  readonly dst: SocketAddress
  readonly reason: ReasonCode
  readonly detail: string
}
