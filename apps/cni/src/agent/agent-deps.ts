import type { NetworkNamespace } from '@ambient/linux'
import type { Clock, Random } from '@ambient/lifecycle'
import type { Logger, Metrics } from '@ambient/telemetry'
import type { ProbeSet } from '../redirect/batched-probe-set.ts'
import type { RedirectSettings } from '../redirect/redirect-backend.ts'
import type { RedirectBackends } from '../redirect/redirect-backends.ts'
import type { PodPorts, TcpConnection } from '../redirect/tcp-connections.ts'
import type { ClusterView } from './cluster-view.ts'
import type { NetnsFinder } from './find-netns.ts'
import type { MutualTls } from './mutual-tls.ts'
import type { PodRecords } from './pod-records.ts'
import type { PodView } from './pod-view.ts'
import type { Repairs } from './repairs.ts'
import type { SelectionRules } from './select-pod.ts'
import type { Ztunnels } from './ztunnel-link.ts'

export type RedirectionStatus = 'enabled' | 'pending'

/** Everything that enrolling pods reaches out to. */
export interface AgentDeps {
  readonly backends: RedirectBackends
  readonly probeSet: ProbeSet
  readonly ztunnels: Ztunnels
  readonly finder: NetnsFinder
  readonly cluster: ClusterView
  readonly records: PodRecords
  readonly selection: SelectionRules
  /** For pods without annotations of their own. */
  readonly settings: RedirectSettings
  /** Writes the annotation that istiod reads, or takes it away; a pod that is gone is no error. */
  readonly annotate: (pod: PodView, status: RedirectionStatus | undefined) => Promise<void>
  readonly repairs: Pick<Repairs, 'handle'>
  readonly connectionsOf: (netns: NetworkNamespace) => PodConnections
  readonly outside: OutsideConnections
  readonly mutualTls: Pick<MutualTls, 'isStrict'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What can be learnt and done about connections of an enrolled pod that ztunnel has no end of. */
export interface OutsideConnections {
  list(netns: NetworkNamespace): readonly TcpConnection[]
  ports(netns: NetworkNamespace): PodPorts
  /** @returns the errno of a kernel that would not */
  reset(netns: NetworkNamespace, connection: TcpConnection): number | undefined
}

/** A look into a pod's netns, in one go. */
export interface PodConnections {
  readonly table: readonly TcpConnection[]
  readonly ownIps: ReadonlySet<string>
}
