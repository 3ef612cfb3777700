import { Arena } from './arena.ts'
import { check } from './errno.ts'
import { familyOf } from './ip-text.ts'
import { putAddress, SOCKADDR_BYTES } from './socket-address.ts'
import { IPPROTO_IP, IPPROTO_IPV6, setOption } from './socket-option.ts'
import { sys } from './syscalls.ts'
import { setTransparent } from './tcp-socket.ts'

const IP_FREEBIND = 15
const IP_BIND_ADDRESS_NO_PORT = 24
const IPV6_FREEBIND = 78

const address = new Arena(SOCKADDR_BYTES)

/**
 * Binds to an address that need not be ours (the caller's), so that the app sees the real source. Needs NET_ADMIN;
 * the socket must be of the address's family.
 *
 * @throws {SyscallError} the caller still owns `fd`.
 */
export function bindSource(fd: number, ip: string): void {
  const family = familyOf(ip)
  check(setTransparent(fd, family), 'setsockopt IP_TRANSPARENT')
  check(
    family === 'v6'
      ? setOption(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
      : setOption(fd, IPPROTO_IP, IP_FREEBIND, 1),
    'setsockopt IP_FREEBIND',
  )
  // The port is picked at connect, so that there are 64k per destination and not in all. The option serves IPv6 too.
  check(setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), 'setsockopt IP_BIND_ADDRESS_NO_PORT')
  const length = putAddress(address, 0, { ip, port: 0 })
  check(sys.bind(fd, address.base, length), `bind source ${ip}`)
}
