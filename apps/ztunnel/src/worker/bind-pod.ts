import { closeDescriptor, Errno, listenOn, type SocketAddress, SyscallError, udpListen } from '@ambient/linux'
import { ports } from '@ambient/telemetry'
import type { PodListeners, WorkerSettings } from './messages.ts'
import type { PodSocket } from './pod-socket.ts'

type Wanted = Omit<PodSocket, 'fd'>

/** Which sockets a pod is to have, in the order in which they are bound. Pure. */
function wantedSockets(listens: PodListeners, settings: WorkerSettings): readonly Wanted[] {
  const { ipv6, socks5, dns } = settings
  const everywhere = ipv6 ? '::' : '0.0.0.0'
  const hbone: Wanted = { role: 'inbound-hbone', ip: everywhere, port: ports.inboundHbone.port }
  if (listens === 'hbone') return [hbone]
  return [
    { role: 'outbound', ip: everywhere, port: ports.outbound.port },
    { role: 'inbound-plaintext', ip: everywhere, port: ports.inboundPlaintext.port },
    hbone,
    // Reached without a redirect, by the pod's own apps only.
    ...(socks5 ? [{ role: 'socks5', ip: '127.0.0.1', port: ports.socks5.port } as const] : []),
    ...(dns?.addresses ?? []).flatMap(({ ip, port }): Wanted[] => [
      { role: 'dns-udp', ip, port },
      { role: 'dns-tcp', ip, port },
    ]),
  ]
}

/**
 * Every socket a pod is to have, in the network namespace the caller is in: those that a predecessor has handed over,
 * and a new one for each that it has not. Owns `inherited`; what is not wanted of it is closed.
 *
 * @throws {SyscallError} naming what could not be bound; nothing is left open.
 */
export function bindPod(
  listens: PodListeners,
  settings: WorkerSettings,
  inherited: readonly PodSocket[],
): readonly PodSocket[] {
  const left = new Set(inherited)
  const sockets: PodSocket[] = []
  try {
    for (const wanted of wantedSockets(listens, settings)) {
      const same = [...left].filter((each) => isSame(each, wanted))
      for (const each of same) left.delete(each)
      sockets.push(...same)
      const fd = same.length > 0 ? undefined : bind(wanted, settings)
      if (fd !== undefined) sockets.push({ ...wanted, fd })
    }
    return sockets
  } catch (cause) {
    for (const { fd } of sockets) closeDescriptor(fd)
    throw cause
  } finally {
    for (const { fd } of left) closeDescriptor(fd)
  }
}

/** Shares out what a predecessor has handed over, each role evenly, however many threads it had. Pure. */
export function shareSockets(
  sockets: readonly PodSocket[],
  workers: number,
): readonly (readonly PodSocket[])[] {
  const shares: PodSocket[][] = Array.from({ length: workers }, () => [])
  const seen = new Map<string, number>()
  for (const socket of sockets) {
    const kind = `${socket.role} ${socket.ip}`
    const index = seen.get(kind) ?? 0
    seen.set(kind, index + 1)
    shares[index % workers]?.push(socket)
  }
  return shares
}

/** A family more or less on the same port is no reason to lose the connections that wait there. */
function isSame(socket: Wanted, wanted: Wanted): boolean {
  const isAddressed = wanted.role === 'dns-udp' || wanted.role === 'dns-tcp'
  return (
    socket.role === wanted.role && socket.port === wanted.port && (!isAddressed || socket.ip === wanted.ip)
  )
}

/** @returns undefined for an address of IPv6 that the pod has not: who has no `::1` sends nothing there. */
function bind({ role, ip, port }: Wanted, settings: WorkerSettings): number | undefined {
  const { packetMark: mark, originalSource } = settings
  const at: SocketAddress = { ip, port }
  const options = { mark, reusePort: true }
  if (role === 'dns-udp') return unlessAbsent(at, () => udpListen(at, options))
  if (role === 'dns-tcp') return unlessAbsent(at, () => listenOn(at, options))
  try {
    return listenOn(at, { ...options, transparent: originalSource !== 'never' })
  } catch (cause) {
    const isRight = cause instanceof SyscallError && cause.errno === Errno.EPERM
    // Without the right to it we can still serve, under our own address.
    if (!isRight || originalSource === 'always') throw cause
    return listenOn(at, options)
  }
}

function unlessAbsent({ ip }: SocketAddress, make: () => number): number | undefined {
  try {
    return make()
  } catch (cause) {
    const isAbsent =
      cause instanceof SyscallError &&
      (cause.errno === Errno.EADDRNOTAVAIL || cause.errno === Errno.EAFNOSUPPORT)
    if (isAbsent && ip.includes(':')) return undefined
    throw cause
  }
}
