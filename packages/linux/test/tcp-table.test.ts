import {
  acceptOn,
  closeDescriptor,
  listenOn,
  localAddress,
  MESH_MARK,
  NetworkNamespace,
  startConnect,
  tcpListeners,
  tcpSocket,
  tcpTableEntries,
} from '@ambient/linux'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeNamespace, type TestNamespace } from './test-namespace.ts'

describe.skipIf(!requireRoot())('the TCP table of a namespace', () => {
  let there: TestNamespace
  let netns: NetworkNamespace
  let open: number[]

  beforeEach(() => {
    there = makeNamespace('tt')
    there.run('ip', 'link', 'set', 'lo', 'up')
    netns = NetworkNamespace.open(there.path)
    open = []
  })
  afterEach(() => {
    for (const fd of open) closeDescriptor(fd)
    netns[Symbol.dispose]()
    there.delete()
  })

  const inside = (make: () => number): number => {
    const fd = netns.enter(make)
    open.push(fd)
    return fd
  }
  const entries = (): ReturnType<typeof tcpTableEntries> => netns.enter(tcpTableEntries)

  test.each([
    { listen: '127.0.0.1', ip: '127.0.0.1', family: 'v4' },
    { listen: '::', ip: '::1', family: 'v6' },
    { listen: '::', ip: '127.0.0.1', family: 'v4' },
  ] as const)(
    'has both ends of a connection from $family to $listen, with the mark, and no listener',
    async ({ listen, ip, family }) => {
      const listening = inside(() => listenOn({ ip: listen, port: 7000 }))
      const clients = [
        inside(() => tcpSocket({ family, mark: MESH_MARK })),
        inside(() => tcpSocket({ family })),
      ]
      for (const fd of clients) startConnect(fd, { ip, port: 7000 })
      await waitFor('both connections', () => entries().length === 4)
      const [marked, plain] = clients.map((fd) => localAddress(fd))
      const server = { ip, port: 7000 }
      expect(entries()).toEqual(
        expect.arrayContaining([
          { local: marked, remote: server, mark: MESH_MARK },
          { local: plain, remote: server, mark: 0 },
          { local: server, remote: marked, mark: 0 },
          { local: server, remote: plain, mark: 0 },
        ]),
      )
      expect(netns.enter(tcpListeners)).toEqual([{ ip: listen, port: 7000 }])
      expect(listening).toBeGreaterThan(0)
    },
  )

  test('leaves out what waits for its time to be over', async () => {
    const listening = inside(() => listenOn({ ip: '127.0.0.1', port: 7000 }))
    const client = netns.enter(() => tcpSocket())
    startConnect(client, { ip: '127.0.0.1', port: 7000 })
    await waitFor('the connection', () => entries().length === 2)
    const accepted = acceptOn(listening)
    if (accepted.kind === 'accepted') closeDescriptor(accepted.fd)
    closeDescriptor(client)
    await waitFor('the connection to be over', () => entries().length === 0)
    expect(there.run('ss', '-tanH', 'state', 'time-wait')).toContain(':7000')
  })

  test('has more than one piece of a listing holds', () => {
    const ports = Array.from({ length: 1000 }, (_, n) => 10_000 + n)
    for (const port of ports) inside(() => listenOn({ ip: '127.0.0.1', port }))
    const found = netns.enter(tcpListeners).map(({ port }) => port)
    expect(found.toSorted((a, b) => a - b)).toEqual(ports)
  })

  test('has nothing of another namespace', () => {
    inside(() => listenOn({ ip: '127.0.0.1', port: 7999 }))
    expect(tcpListeners().some(({ port }) => port === 7999)).toBe(false)
  })
})
