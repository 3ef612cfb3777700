import { formatHostPort } from '@ambient/model'

/** A connection, seen from the pod. */
export interface TcpConnection {
  readonly local: TcpEnd
  readonly remote: TcpEnd
}

export interface TcpEnd {
  readonly ip: string
  readonly port: number
}

const ZTUNNEL_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, 15_008])

/**
 * The connections that enrolment leaves outside the mesh: those with somebody else. What a pod says to itself is never
 * captured, and connections to ztunnel's HBONE port are the mesh. Pure.
 */
export function keptConnections(
  table: readonly TcpConnection[],
  ownIps: ReadonlySet<string>,
): readonly TcpConnection[] {
  return table.filter(
    ({ local, remote }) =>
      !isLoopback(local.ip) &&
      ownIps.has(local.ip) &&
      !isOwn(remote.ip, ownIps) &&
      !ZTUNNEL_PORTS.has(local.port) &&
      remote.port !== 15_008,
  )
}

/**
 * Connections that came between the look `before` the rules and the rules: of those that are new in `after`, the ones that have
 * no end of ztunnel in the same netns. ztunnel's own, which are marked, are among them. Pure.
 */
export function lateConnections(
  before: readonly TcpConnection[],
  after: readonly TcpConnection[],
  ownIps: ReadonlySet<string>,
): readonly TcpConnection[] {
  const known = new Set(before.map(describeConnection))
  const captured = new Set(
    after.map(({ local, remote }) =>
      local.port === 15_001 ? `to ${endText(remote)}` : `${endText(remote)} ${endText(local)}`,
    ),
  )
  return keptConnections(after, ownIps).filter(
    (each) =>
      !known.has(describeConnection(each)) &&
      !captured.has(`to ${endText(each.local)}`) &&
      !captured.has(`${endText(each.local)} ${endText(each.remote)}`),
  )
}

/** Which ports a pod listens on, and which are given to connections that it opens. */
export interface PodPorts {
  readonly listening: ReadonlySet<number>
  readonly ephemeral: { readonly first: number; readonly last: number }
}

/**
 * Whether the pod was dialled. One whose listener has gone counts as dialled as well, unless its port is such as a client is
 * given: where plaintext is refused, in doubt it was plaintext that was taken. Pure.
 */
export function isInbound({ local }: TcpConnection, { listening, ephemeral }: PodPorts): boolean {
  return listening.has(local.port) || local.port < ephemeral.first || local.port > ephemeral.last
}

/**
 * What of ztunnel is still at work in this netns: captured connections that it accepted (15001, 15006), and those that it
 * dialled with a client's address, which belongs to no interface here. Idle HBONE sessions carry no tunnel and do not count. Pure.
 */
export function countTunnels(table: readonly TcpConnection[], ownIps: ReadonlySet<string>): number {
  return table.filter(
    ({ local }) => local.port === 15_001 || local.port === 15_006 || !isOwn(local.ip, ownIps),
  ).length
}

/** `10.1.0.4:52114 -> 10.2.0.7:6379`, as logs and the status page name it. */
export function describeConnection({ local, remote }: TcpConnection): string {
  return `${formatHostPort(local.ip, local.port)} -> ${formatHostPort(remote.ip, remote.port)}`
}

function endText({ ip, port }: TcpEnd): string {
  return formatHostPort(ip, port)
}

function isOwn(ip: string, ownIps: ReadonlySet<string>): boolean {
  return isLoopback(ip) || ownIps.has(ip)
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}
