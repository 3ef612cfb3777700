import { Arena } from './arena.ts'
import { getAddress, SOCKADDR_BYTES, type SocketAddress } from './socket-address.ts'
import { IPPROTO_IP, IPPROTO_IPV6 } from './socket-option.ts'
import { sys } from './syscalls.ts'
import { localAddress } from './tcp-socket.ts'

const SO_ORIGINAL_DST = 80
const address = new Arena(SOCKADDR_BYTES + 4)

/**
 * Where the app dialled before the kernel redirected it; the local address when nothing was redirected.
 *
 * @param family Ask only this one (one call less); without it, IPv4 first, then IPv6.
 * @throws {SyscallError} when `fd` is not a connected socket.
 */
export function originalDestination(fd: number, family?: 'v4' | 'v6'): SocketAddress {
  if (family !== 'v6' && ask(fd, IPPROTO_IP, 16)) return getAddress(address, 0)
  if (family !== 'v4' && ask(fd, IPPROTO_IPV6, SOCKADDR_BYTES)) return getAddress(address, 0)
  return localAddress(fd)
}

function ask(fd: number, level: number, size: number): boolean {
  address.view.setUint32(SOCKADDR_BYTES, size, true)
  return sys.getsockopt(fd, level, SO_ORIGINAL_DST, address.base, address.at(SOCKADDR_BYTES)) === 0
}
