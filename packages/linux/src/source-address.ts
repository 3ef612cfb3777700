import { Arena } from './arena.ts'
import { check, Errno, errno } from './errno.ts'
import { familyOf } from './ip-text.ts'
import { putAddress, SOCKADDR_BYTES, type SocketAddress } from './socket-address.ts'
import { IPPROTO_IP, IPPROTO_IPV6, setOption } from './socket-option.ts'
import { sys } from './syscalls.ts'
import { setTransparent } from './tcp-socket.ts'

const IP_FREEBIND = 15
const IP_BIND_ADDRESS_NO_PORT = 24
const IPV6_FREEBIND = 78

const address = new Arena(SOCKADDR_BYTES)

/** The odd ones of those that Linux gives to connections that name none. */
const PORTS = { first: 32_769, count: 14_116 } as const
/** Enough to find a free one, but for one time in a thousand, where nine of ten are taken. */
const MAX_TRIES = 64

// Drawn, not counted: threads that count follow each other, and then every port that one tries is the other's already.
const thread = { draw: Math.imul(sys.gettid(), 0x9e3779b1) >>> 0 }

/** One after the other of a full-period generator, of which the upper bits count. @see Numerical Recipes, ch. 7 */
function drawPort(): number {
  thread.draw = (Math.imul(thread.draw, 1_664_525) + 1_013_904_223) >>> 0
  return PORTS.first + 2 * Math.floor((thread.draw / 2 ** 32) * PORTS.count)
}

/**
 * Binds to an address that need not be ours (the caller's), so that the app sees the real source. Needs NET_ADMIN;
 * the socket must be of the address's family.
 *
 * The port is an odd one, for the caller's own kernel gives odd ones to its connections only when it is out of even ones. Were
 * both the same, the caller's next connection to the app would be taken for a part of this one, by conntrack and by the app's
 * socket, and never be answered.
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
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (bindTo(fd, { ip, port: drawPort() }) === 0) return
    if (errno() !== Errno.EADDRINUSE) break
  }
  // Picked at connect, a port may serve several destinations, so that there are enough. The option serves IPv6 too.
  check(setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), 'setsockopt IP_BIND_ADDRESS_NO_PORT')
  check(bindTo(fd, { ip, port: 0 }), `bind source ${ip}`)
}

function bindTo(fd: number, to: SocketAddress): number {
  return sys.bind(fd, address.base, putAddress(address, 0, to))
}
