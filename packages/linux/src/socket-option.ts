import { Arena } from './arena.ts'
import { errno } from './errno.ts'
import { sys } from './syscalls.ts'

export const IPPROTO_IP = 0
export const SOL_SOCKET = 1
export const IPPROTO_TCP = 6
export const IPPROTO_IPV6 = 41

const value = new Arena(16)

/** Sets an integer option; negative on failure, with `errno()`. */
export function setOption(fd: number, level: number, name: number, number: number): number {
  value.view.setInt32(0, number, true)
  return sys.setsockopt(fd, level, name, value.base, 4)
}

/** Makes the next close send a RST instead of a FIN. */
export function setLingerZero(fd: number): void {
  value.view.setInt32(0, 1, true)
  value.view.setInt32(4, 0, true)
  sys.setsockopt(fd, SOL_SOCKET, 13, value.base, 8)
}

/** Takes and clears the pending error of a socket: 0 when there is none. */
export function takeSocketError(fd: number): number {
  value.view.setUint32(8, 4, true)
  if (sys.getsockopt(fd, SOL_SOCKET, 4, value.base, value.at(8)) < 0) return errno()
  return value.view.getInt32(0, true)
}

/** TCP_NODELAY. */
export function setNoDelay(fd: number): void {
  setOption(fd, IPPROTO_TCP, 1, 1)
}

export interface KeepAlive {
  readonly idleSeconds: number
  readonly intervalSeconds: number
  readonly probes: number
}

/** The kernel asks a peer that has been silent, and ends the connection if it does not answer. */
export function setKeepAlive(fd: number, { idleSeconds, intervalSeconds, probes }: KeepAlive): void {
  setOption(fd, SOL_SOCKET, 9, 1)
  setOption(fd, IPPROTO_TCP, 4, idleSeconds)
  setOption(fd, IPPROTO_TCP, 5, intervalSeconds)
  setOption(fd, IPPROTO_TCP, 6, probes)
}

/** TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. */
export function setUserTimeout(fd: number, timeoutMs: number): void {
  setOption(fd, IPPROTO_TCP, 18, timeoutMs)
}
