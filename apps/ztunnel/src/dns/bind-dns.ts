import {
  closeDescriptor,
  Errno,
  familyOf,
  listenOn,
  type SocketAddress,
  SyscallError,
  udpListen,
} from '@ambient/linux'

export interface BoundDns {
  readonly udp: readonly { readonly fd: number; readonly at: SocketAddress }[]
  readonly tcp: readonly number[]
}

/**
 * Binds both transports at each address, in the network namespace the caller is in. One of IPv6 that the pod has not is
 * left out, whatever its settings say that it has: who has no `::1` sends nothing there.
 *
 * @throws {SyscallError} naming what could not be bound; nothing is left open.
 */
export function bindDns(addresses: readonly SocketAddress[], mark: number | undefined): BoundDns {
  const udp: { readonly fd: number; readonly at: SocketAddress }[] = []
  const tcp: number[] = []
  const options = { mark, reusePort: true }
  try {
    for (const at of addresses) {
      const fd = unlessAbsent(at, () => udpListen(at, options))
      if (fd === undefined) continue
      udp.push({ fd, at })
      tcp.push(listenOn(at, options))
    }
    return { udp, tcp }
  } catch (cause) {
    closeDns({ udp, tcp })
    throw cause
  }
}

function closeDns({ udp, tcp }: BoundDns): void {
  for (const { fd } of udp) closeDescriptor(fd)
  for (const fd of tcp) closeDescriptor(fd)
}

function unlessAbsent(at: SocketAddress, bind: () => number): number | undefined {
  try {
    return bind()
  } catch (cause) {
    const isAbsent =
      cause instanceof SyscallError &&
      (cause.errno === Errno.EADDRNOTAVAIL || cause.errno === Errno.EAFNOSUPPORT)
    if (isAbsent && familyOf(at.ip) === 'v6') return undefined
    throw cause
  }
}
