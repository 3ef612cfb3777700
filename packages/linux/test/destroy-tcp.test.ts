import { connect, createServer, type Socket } from 'node:net'
import { closeDescriptor, destroyTcp, Errno, listenOn, NetworkNamespace } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'

describe.skipIf(!requireRoot())('ending a connection of somebody else', () => {
  test.each([
    { what: 'IPv4', listen: '127.0.0.1', dial: '127.0.0.1' },
    { what: 'IPv6', listen: '::1', dial: '::1' },
    { what: 'IPv4 at a listener of both', listen: '::', dial: '127.0.0.1' },
  ])('destroyTcp() resets the peer, $what', async ({ listen, dial }) => {
    const accepted: string[] = []
    const server = createServer((socket) => {
      socket.on('error', (cause: NodeJS.ErrnoException) => accepted.push(cause.code ?? ''))
    })
    await new Promise<void>((resolve) => server.listen(0, listen, resolve))
    const { port } = server.address() as { port: number }
    const ends: string[] = []
    const dialled = async (): Promise<Socket> => {
      const socket = connect(port, dial)
      socket.on('error', (cause: NodeJS.ErrnoException) => ends.push(cause.code ?? ''))
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
      return socket
    }
    const [one, other] = [await dialled(), await dialled()]
    const client = { ip: dial, port: one.localPort ?? 0 }
    expect(destroyTcp({ ip: dial, port }, client)).toEqual({ kind: 'destroyed' })
    await waitFor('both ends to hear of it', () => ends.length === 1 && accepted.length === 1)
    expect([ends, accepted]).toEqual([['ECONNRESET'], ['ECONNABORTED']])
    expect(destroyTcp({ ip: dial, port }, client)).toEqual({ kind: 'failed', errno: Errno.ENOENT })
    expect(other.destroyed).toBe(false)
    ;(await dialled()).destroy() // the listener is none of its business
    other.destroy()
    server.close()
  })

  test('destroyTcp() knows only the namespace it is called in, and leaves no descriptor', () => {
    const before = openDescriptors()
    {
      using other = NetworkNamespace.create()
      const listening = listenOn({ ip: '127.0.0.1', port: 0 })
      const ends = [
        { ip: '127.0.0.1', port: 1 },
        { ip: '127.0.0.1', port: 2 },
      ] as const
      expect(other.enter(() => destroyTcp(...ends))).toEqual({ kind: 'failed', errno: Errno.ENOENT })
      closeDescriptor(listening)
    }
    expect(leakedDescriptors(before)).toEqual([])
  })
})
