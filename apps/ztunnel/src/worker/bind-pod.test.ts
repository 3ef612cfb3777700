import { expect, test } from 'vitest'
import { shareSockets } from './bind-pod.ts'
import type { PodSocket } from './pod-socket.ts'

/** `15008` stands for HBONE, and so on; the number is the descriptor's as well. */
function sockets(role: PodSocket['role'], ip: string, ...fds: readonly number[]): readonly PodSocket[] {
  return fds.map((fd) => ({ role, ip, port: 1, fd }))
}

test.each<{
  name: string
  handed: readonly PodSocket[]
  workers: number
  shares: readonly (readonly number[])[]
}>([
  { name: 'nothing', handed: [], workers: 2, shares: [[], []] },
  { name: 'as many as threads', handed: sockets('outbound', '::', 1, 2), workers: 2, shares: [[1], [2]] },
  { name: 'fewer than threads', handed: sockets('outbound', '::', 1), workers: 3, shares: [[1], [], []] },
  {
    name: 'more than threads',
    handed: sockets('outbound', '::', 1, 2, 3),
    workers: 2,
    shares: [[1, 3], [2]],
  },
  {
    name: 'each role and address by itself',
    handed: [
      ...sockets('outbound', '::', 1, 2),
      ...sockets('inbound-hbone', '::', 3, 4),
      ...sockets('dns-udp', '127.0.0.1', 5),
      ...sockets('dns-udp', '::1', 6),
    ],
    workers: 2,
    shares: [
      [1, 3, 5, 6],
      [2, 4],
    ],
  },
])('shareSockets() shares out $name', ({ handed, workers, shares }) => {
  expect(shareSockets(handed, workers).map((share) => share.map(({ fd }) => fd))).toEqual(shares)
})
