import { closeDescriptor, listenOn, localAddress, startConnect, tcpSocket } from '@ambient/linux'
import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { EventLoop, Listener } from './index.ts'

test('the README’s example runs', () => {
  const before = openDescriptors()
  const logged: string[] = []
  const log = (line: string): void => void logged.push(line)
  {
    using loop = new EventLoop({ onFault: (_owner, cause) => log(String(cause)) })
    const listening = listenOn({ ip: '127.0.0.1', port: 0 })
    const listener = new Listener(listening, loop, { acceptsPerTurn: 64, acceptPauseMs: 100 }, (fd) => {
      closeDescriptor(fd)
      loop.stop()
    })
    const client = tcpSocket()
    startConnect(client, localAddress(listening))
    loop.run()
    listener.closeAfterDrain()
    closeDescriptor(client)
  }
  expect(logged).toEqual([])
  expect(leakedDescriptors(before)).toEqual([])
})
