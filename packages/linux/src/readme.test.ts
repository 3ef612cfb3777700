import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { expect, test } from 'vitest'
import {
  acceptOn,
  closeDescriptor,
  listenOn,
  localAddress,
  NetworkNamespace,
  resetSocket,
  startConnect,
  tcpSocket,
} from './index.ts'

// Entering even one's own namespace needs CAP_SYS_ADMIN.
const isRoot = process.getuid?.() === 0

test('the README’s example runs', () => {
  const before = openDescriptors()
  {
    using pod = NetworkNamespace.open('/proc/self/ns/net')
    const listen = (): number => listenOn({ ip: '::', port: 0 }, { reusePort: true })
    const listening = isRoot ? pod.enter(listen) : listen()
    const client = tcpSocket()
    startConnect(client, { ip: '127.0.0.1', port: localAddress(listening).port })
    const result = acceptOn(listening)
    expect(result.kind).toBe('accepted')
    if (result.kind === 'accepted') resetSocket(result.fd)
    closeDescriptor(client)
    closeDescriptor(listening)
  }
  expect(leakedDescriptors(before)).toEqual([])
})
