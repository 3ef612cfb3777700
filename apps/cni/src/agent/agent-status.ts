import { describeConnection } from '../redirect/tcp-connections.ts'
import type { AgentDeps } from './agent-deps.ts'
import type { MeshPod, MeshPods } from './mesh-pod.ts'

/** What `GET /status` on the agent's Unix socket shows. */
export interface AgentStatus {
  readonly node: string
  readonly isReady: boolean
  readonly ztunnelsConnected: number
  readonly pods: readonly PodStatus[]
}

export interface PodStatus {
  readonly uid: string
  readonly name: string | undefined
  readonly namespace: string | undefined
  readonly state: MeshPod['state']['kind']
  readonly cause: string | undefined
  /** Whose rules are in it, and whether all of them were there at the last look. */
  readonly redirection: { readonly backends: readonly string[]; readonly isWhole: boolean }
  /** Of the network namespace. */
  readonly inode: number | undefined
  readonly ips: readonly string[]
  /** Connections that were open at enrolment: how many, how many still are, and the first hundred by name. */
  readonly keptConnections: {
    readonly count: number
    readonly open: number
    readonly names: readonly string[]
  }
}

export interface StatusDeps extends Pick<AgentDeps, 'cluster' | 'connectionsOf'> {
  readonly ztunnels: () => { readonly connected: number } | undefined
}

/** @param reconciler Undefined until the agent has taken over what it found. */
export function agentStatus(
  node: string,
  reconciler: { readonly pods: MeshPods } | undefined,
  deps: StatusDeps,
): AgentStatus {
  return {
    node,
    isReady: reconciler !== undefined,
    ztunnelsConnected: deps.ztunnels()?.connected ?? 0,
    pods: reconciler?.pods.all().map((held) => podStatus(held, deps)) ?? [],
  }
}

function podStatus(held: MeshPod, deps: Pick<AgentDeps, 'cluster' | 'connectionsOf'>): PodStatus {
  const pod = deps.cluster.pod(held.uid)
  return {
    uid: held.uid,
    name: pod?.name,
    namespace: pod?.namespace,
    state: held.state.kind,
    cause: held.state.kind === 'pending' ? held.state.cause : undefined,
    redirection: { backends: held.backends, isWhole: held.areRulesWhole },
    inode: held.netns?.id().inode,
    ips: held.ips,
    keptConnections: { ...held.kept, open: openKept(held, deps) },
  }
}

/** How many of the named connections are still there; looked up only for pods that have any. */
export function openKept({ kept, netns }: MeshPod, deps: Pick<AgentDeps, 'connectionsOf'>): number {
  if (kept.count === 0 || netns === undefined) return 0
  const there = new Set(deps.connectionsOf(netns).table.map(describeConnection))
  return kept.names.filter((name) => there.has(name)).length
}
