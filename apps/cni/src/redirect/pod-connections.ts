import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import {
  destroyTcp,
  MESH_MARK,
  type NetworkNamespace,
  tcpListeners,
  tcpTableEntries,
  type TcpTableEntry,
} from '@ambient/linux'
import { canonicalIp } from '@ambient/model'
import type { ProbeAddresses } from './redirect-backend.ts'
import {
  describeConnection,
  keptConnections,
  lateConnections,
  type PodPorts,
  type TcpConnection,
} from './tcp-connections.ts'

/** The connections of the pod as they are now; synchronous, for what must not change meanwhile. */
export function tcpTable(netns: NetworkNamespace): readonly TcpTableEntry[] {
  return netns.enter(tcpTableEntries)
}

/** The TCP ports somebody listens on in a namespace. Synchronous, as entering is. */
export function listeningPorts(netns: NetworkNamespace): ReadonlySet<number> {
  return new Set(netns.enter(tcpListeners).map(({ port }) => port))
}

/** What tells an inbound connection from an outbound one. */
export function podPorts(netns: NetworkNamespace): PodPorts {
  const range = netns.enter(() => readOrEmpty('/proc/sys/net/ipv4/ip_local_port_range'))
  const [first = 32_768, last = 60_999] = range.trim().split(/\s+/).map(Number)
  return { listening: listeningPorts(netns), ephemeral: { first, last } }
}

export interface OutsideOptions {
  readonly earlier: readonly TcpConnection[]
  /** Probes of the node stay outside for ever, and none of them for long. */
  readonly probe: ProbeAddresses
}

/**
 * Connections of a redirected pod that ztunnel has no end of: those that were open `earlier`, before the first rule, and what
 * was opened while there were none.
 */
export function connectionsOutside(
  netns: NetworkNamespace,
  { earlier, probe }: OutsideOptions,
): readonly TcpConnection[] {
  const ownIps = ownAddresses(netns)
  const isProbe = ({ remote }: TcpConnection): boolean => remote.ip === probe.v4 || remote.ip === probe.v6
  const now = tcpTable(netns)
  const ofZtunnel = new Set(now.filter(({ mark }) => mark === MESH_MARK).map(describeConnection))
  const late = lateConnections(earlier, now, ownIps)
  return [
    ...keptConnections(earlier, ownIps),
    ...late.filter((each) => !isProbe(each) && !ofZtunnel.has(describeConnection(each))),
  ]
}

/** Ends a connection of the pod: its peer gets a reset. @returns the errno of a kernel that would not */
export function resetConnection(
  netns: NetworkNamespace,
  { local, remote }: TcpConnection,
): number | undefined {
  const result = netns.enter(() => destroyTcp(local, remote))
  return result.kind === 'failed' ? result.errno : undefined
}

/** The addresses of the pod's own interfaces, loopback included. */
export function ownAddresses(netns: NetworkNamespace): ReadonlySet<string> {
  const interfaces = netns.enter(() => networkInterfaces())
  const all = Object.values(interfaces).flatMap((each) => each ?? [])
  return new Set(all.flatMap(({ address }) => canonicalIp(address) ?? []))
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // no IPv6 in this kernel
  }
}
