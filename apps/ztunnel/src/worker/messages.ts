/** What crosses between the control thread and a byte thread. Plain values only: each message is cloned. */
import type { MessagePort } from 'node:worker_threads'
import type { HboneLimits } from '@ambient/hbone'
import type { SpiffeId } from '@ambient/spiffe'
import type { TcpSettings } from '../connection-config.ts'
import type { DnsCounts } from '../dns/dns-report.ts'
import type { DnsSettings } from '../dns/dns-thread.ts'
import type { CounterName, LogLine } from '@ambient/telemetry'
import type { Stack } from '../profile/pprof-message.ts'
import type { ProfileStep } from '../profile/thread-profiler.ts'
import type { MeshDelta } from '../state/mesh-snapshot.ts'
import type { PodSocket } from './pod-socket.ts'

/** The pod as the CNI agent named it; its identity is never read from the packet. */
export interface PodInfo {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** `hbone`: only for what comes in by HBONE, as for ztunnel's own pod. */
export type PodListeners = 'all' | 'hbone'

export interface WorkerSettings {
  readonly index: number
  readonly wakeFd: number
  readonly network: string
  /** None where no rules redirect anything to us. */
  readonly packetMark: number | undefined
  readonly ipv6: boolean
  readonly originalSource: 'always' | 'never' | 'best-effort'
  readonly tcp: TcpSettings
  /** Bounds of the table that are others here. */
  readonly tunnelLimits: Partial<HboneLimits>
  readonly drainMs: number
  readonly clusterId: string
  /** PROXY tunnels go to the app over loopback, not to the pod's own address. */
  readonly tunnelsToLoopback: boolean
  /** The app's workload is described in the answer to CONNECT, and the peer's description of itself is read. */
  readonly exchangesBaggage: boolean
  /** Addresses are asked for one by one; what is not known may be in the mesh all the same. */
  readonly isOnDemand: boolean
  /** Apps may ask for connections by SOCKS5, too. */
  readonly socks5: boolean
  /** What policies on trial would have said is logged at level info, not debug. */
  readonly logsPolicies: boolean
  /** Key-exchange groups of tunnels; undefined for those of `@ambient/tls`. */
  readonly tlsGroups: string | undefined
  /** Undefined leaves port 53 alone. */
  readonly dns: DnsSettings | undefined
  /** As `LevelFilter` has it: lines that cost something are not made to be thrown away. */
  readonly logFilter: string
}

/** What a byte thread is started with. */
export interface WorkerStart {
  readonly settings: WorkerSettings
  readonly commands: MessagePort
}

/** Whether this is what the control thread starts a byte thread with, and not a thread that somebody else started. */
export function isWorkerStart(value: unknown): value is WorkerStart {
  return typeof value === 'object' && value !== null && 'settings' in value && 'commands' in value
}

export interface IdentityMaterial {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly trustBundlePem: string
}

/** What the control thread has learned. */
export type KnowledgeCommand =
  /** What is known of these names is in the snapshot by now. */
  | { readonly kind: 'addresses-answered'; readonly names: readonly string[] }
  /** Nothing was known of these names, and they are followed no longer. */
  | { readonly kind: 'addresses-dropped'; readonly names: readonly string[] }
  | {
      readonly kind: 'host-resolved'
      readonly hostname: string
      readonly addresses: readonly string[]
      readonly ttlMs: number
    }
  /** Can be read: the control thread has tried. */
  | { readonly kind: 'revocation-lists'; readonly file: Uint8Array }
  | { readonly kind: 'host-failed'; readonly hostname: string; readonly detail: string }
  | { readonly kind: 'identity'; readonly id: SpiffeId; readonly material: IdentityMaterial }
  | { readonly kind: 'identity-unavailable'; readonly id: SpiffeId; readonly detail: string }
  | { readonly kind: 'forget-identity'; readonly id: SpiffeId }

/** What becomes of the listening sockets when another ztunnel takes our place. */
export type HandoverCommand =
  /** Answered by `sockets`. */
  | { readonly kind: 'share-sockets'; readonly request: number; readonly uid: string }
  /** Answered by `pod-parked`. */
  | { readonly kind: 'park-pod'; readonly uid: string }
  | { readonly kind: 'resume-pods' }

/** What a thread is asked about itself. */
export type QuestionCommand =
  /** Answered by `description`. */
  | { readonly kind: 'describe'; readonly request: number }
  /** Answered by `profiled`. */
  | { readonly kind: 'profile'; readonly request: number; readonly step: ProfileStep }

export type WorkerCommand =
  | KnowledgeCommand
  | QuestionCommand
  | HandoverCommand
  /** `netns` is a descriptor number of this process; the worker takes its own duplicate before it answers `pod-added`. */
  | {
      readonly kind: 'add-pod'
      readonly uid: string
      readonly info: PodInfo
      readonly netns: number
      /** This thread's part of what a predecessor has handed over; the worker's from here on. */
      readonly inherited: readonly PodSocket[]
    }
  /** A workload in our own network namespace. Answered by `pod-added` as well. */
  | {
      readonly kind: 'add-own'
      readonly uid: string
      readonly info: PodInfo
      readonly listens: PodListeners
    }
  | { readonly kind: 'remove-pod'; readonly uid: string }
  | { readonly kind: 'snapshot-delta'; readonly delta: MeshDelta }
  | { readonly kind: 'log-filter'; readonly filter: string }
  | { readonly kind: 'drain' }

/** One combination of label values and what happened under it since the last report. */
export interface TrafficSample {
  readonly labels: readonly string[]
  readonly opened: number
  readonly closed: number
  readonly failed: number
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** How often something happened since the last report. */
export interface CountSample {
  readonly metric: CounterName
  readonly labels: readonly string[]
  readonly amount: number
}

export interface LiveConnection {
  readonly direction: 'inbound' | 'outbound'
  readonly src: string
  readonly originalDst: string
  readonly actualDst: string
  readonly protocol: 'HBONE' | 'DOUBLEHBONE' | 'TCP'
  readonly sourceIdentity: string | undefined
  readonly destinationIdentity: string | undefined
  readonly admittedBy: string | undefined
  readonly ageMs: number
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface WorkerDescription {
  readonly pods: Readonly<Record<string, readonly LiveConnection[]>>
  readonly loop: {
    readonly turns: number
    readonly events: number
    readonly emptyTurns: number
    readonly faults: number
  }
  readonly sessions: number
}

export type WorkerReport =
  | { readonly kind: 'pod-added'; readonly uid: string; readonly error: string | undefined }
  | { readonly kind: 'pod-removed'; readonly uid: string }
  /** Duplicates of a pod's listening sockets; the receiver's. */
  | { readonly kind: 'sockets'; readonly request: number; readonly sockets: readonly PodSocket[] }
  | { readonly kind: 'pod-parked'; readonly uid: string }
  | { readonly kind: 'need-identity'; readonly id: SpiffeId }
  | { readonly kind: 'need-addresses'; readonly names: readonly string[] }
  | { readonly kind: 'need-host'; readonly hostname: string }
  | {
      readonly kind: 'traffic'
      readonly samples: readonly TrafficSample[]
      readonly socketsOpened: readonly [source: number, destination: number]
      readonly counts: readonly CountSample[]
    }
  | { readonly kind: 'dns'; readonly counts: DnsCounts }
  | { readonly kind: 'log'; readonly lines: readonly LogLine[]; readonly dropped: number }
  | { readonly kind: 'description'; readonly request: number; readonly description: WorkerDescription }
  | {
      readonly kind: 'profiled'
      readonly request: number
      readonly thread: string
      readonly stacks: readonly Stack[]
    }
  | { readonly kind: 'drained' }
