import { canonicalIp, formatHostPort, ipFromBytes } from '@ambient/model'

/** One row of `/proc/net/tcp` or `tcp6`. */
export interface TcpConnection {
  readonly local: TcpEnd
  readonly remote: TcpEnd
}

export interface TcpEnd {
  readonly ip: string
  readonly port: number
}

const TIME_WAIT = '06'
const LISTEN = '0A'
const ZTUNNEL_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, 15_008])

/** Reads `/proc/net/tcp` and `tcp6`: connections that still carry something, neither listening nor in TIME_WAIT. Pure. */
export function parseTcpTable(text: string): readonly TcpConnection[] {
  return text.split('\n').flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/)
    if (local === undefined || remote === undefined || state === undefined || !/^[0-9A-F]{2}$/.test(state))
      return []
    if (state === TIME_WAIT || state === LISTEN) return []
    const ends = [parseEnd(local), parseEnd(remote)]
    const [from, to] = ends
    return from === undefined || to === undefined ? [] : [{ local: from, remote: to }]
  })
}

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

/** Reads `ss --tcp --numeric --no-header --extended`: the connections that carry ztunnel's mark. Pure. */
export function parseMarkedSockets(text: string): readonly TcpConnection[] {
  return text.split('\n').flatMap((line) => {
    if (!/\bfwmark:0x539\b/.test(line)) return []
    const [, , , local, remote] = line.trim().split(/\s+/)
    const [from, to] = [parseSsEnd(local ?? ''), parseSsEnd(remote ?? '')]
    return from === undefined || to === undefined ? [] : [{ local: from, remote: to }]
  })
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

function parseSsEnd(text: string): TcpEnd | undefined {
  const [, address = '', port = ''] = /^\[?([^\]%]*)(?:%[^\]:]*)?\]?:(\d+)$/.exec(text) ?? []
  const ip = canonicalIp(address)
  return ip === undefined ? undefined : { ip, port: Number(port) }
}

function isOwn(ip: string, ownIps: ReadonlySet<string>): boolean {
  return isLoopback(ip) || ownIps.has(ip)
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

/** The kernel prints an address as 32-bit words in the machine's own order, which is little-endian wherever we run. */
function parseEnd(text: string): TcpEnd | undefined {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text)
  const [, address, port] = match ?? []
  if (address === undefined || port === undefined) return undefined
  const bytes = Buffer.from(address, 'hex')
  const ip = ipFromBytes(bytes.swap32())
  return ip === undefined ? undefined : { ip, port: Number.parseInt(port, 16) }
}
