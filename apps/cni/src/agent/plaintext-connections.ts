import type { NetworkNamespace } from '@ambient/linux'
import { describeConnection, isInbound, type TcpConnection } from '../redirect/tcp-connections.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import type { KeptConnections, MeshPod } from './mesh-pod.ts'
import { podFields } from './pod-fields.ts'
import type { PodView } from './pod-view.ts'

type PlaintextDeps = Pick<AgentDeps, 'mutualTls' | 'outside' | 'records' | 'logger' | 'metrics'>

/**
 * Ends those of `connections`, which ztunnel has no end of, by which the pod takes plaintext that its PeerAuthentication refuses.
 * What it dialled itself is for the other end to judge.
 *
 * @returns what is left.
 */
export function resetRefused(
  connections: readonly TcpConnection[],
  { pod, netns }: { readonly pod: PodView; readonly netns: NetworkNamespace },
  { mutualTls, outside, logger, metrics }: Omit<PlaintextDeps, 'records'>,
): readonly TcpConnection[] {
  if (connections.length === 0) return connections
  const ports = outside.ports(netns)
  return connections.filter((connection) => {
    if (!isInbound(connection, ports) || !mutualTls.isStrict(pod, connection.local.port)) return true
    const errno = outside.reset(netns, connection)
    const fields = { ...podFields(pod), connection: describeConnection(connection) }
    if (errno !== undefined) {
      logger.error('connection of a pod that takes mutual TLS only cannot be reset', { ...fields, errno })
      return true
    }
    metrics.add('ambient_cni_reset_connections_total', 1)
    logger.info('connection reset: it was open before, and the pod takes mutual TLS only', fields)
    return false
  })
}

/** Does the same for a pod that is enrolled already, after PeerAuthentications have changed. */
export function resetRefusedOf(held: MeshPod, pod: PodView, deps: PlaintextDeps): MeshPod {
  const { netns } = held
  if (netns === undefined || held.kept.count === 0) return held
  const left = resetRefused(deps.outside.list(netns), { pod, netns }, deps)
  const after = { ...held, kept: nameConnections(left) }
  deps.records.save(after)
  return after
}

/** How many there are, and the first by name. */
export function nameConnections(kept: readonly TcpConnection[]): KeptConnections {
  return { count: kept.length, names: kept.slice(0, cniLimits.keptNames).map(describeConnection) }
}
