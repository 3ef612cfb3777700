/** What the mesh asks of sockets inside a pod: a source address that is not ours, and where the app really dialled. */
import { readFileSync } from 'node:fs'
import {
  acceptOn,
  bindSource,
  closeDescriptor,
  listenOn,
  localAddress,
  MESH_MARK,
  NetworkNamespace,
  originalDestination,
  raiseFileLimit,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { makeNamespace, type TestNamespace } from './test-namespace.ts'

const hasIpv6 = readFileSync('/proc/self/net/if_inet6', 'utf8') !== ''

describe.skipIf(!requireRoot())('in a pod', () => {
  let netns: TestNamespace
  let pod: NetworkNamespace
  const opened: number[] = []

  beforeAll(() => {
    netns = makeNamespace('pod')
    pod = NetworkNamespace.open(netns.path)
    // As in a pod: an address on a device and a default route, without which an answer to a foreign source has no way out.
    netns.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1')
    netns.ip('address', 'add', '10.99.0.2/24', 'dev', 'eth0')
    netns.ip('-6', 'address', 'add', 'fd99::2/64', 'dev', 'eth0', 'nodad')
    netns.ip('link', 'set', 'eth0', 'up')
    netns.ip('link', 'set', 'eth1', 'up')
    netns.ip('route', 'add', 'default', 'via', '10.99.0.1')
    netns.ip('-6', 'route', 'add', 'default', 'via', 'fd99::1')
    netns.ip('rule', 'add', 'fwmark', '0x111/0xfff', 'lookup', '100')
    netns.ip('route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', '100')
    netns.ip('-6', 'rule', 'add', 'fwmark', '0x111/0xfff', 'lookup', '100')
    netns.ip('-6', 'route', 'add', 'local', '::/0', 'dev', 'lo', 'table', '100')
    for (const program of ['iptables', 'ip6tables']) {
      netns.run(
        program,
        '-t',
        'mangle',
        '-A',
        'PREROUTING',
        '-m',
        'mark',
        '--mark',
        '0x539/0xfff',
        '-j',
        'CONNMARK',
        '--set-xmark',
        '0x111/0xfff',
      )
      netns.run(
        program,
        '-t',
        'mangle',
        '-A',
        'OUTPUT',
        '-m',
        'connmark',
        '--mark',
        '0x111/0xfff',
        '-j',
        'CONNMARK',
        '--restore-mark',
      )
      netns.run(
        program,
        '-t',
        'nat',
        '-A',
        'OUTPUT',
        '-p',
        'tcp',
        '--dport',
        '80',
        '-j',
        'REDIRECT',
        '--to-ports',
        '15001',
      )
    }
  })
  afterEach(() => {
    for (const fd of opened.splice(0)) closeDescriptor(fd)
  })
  afterAll(() => {
    pod[Symbol.dispose]()
    netns.delete()
  })

  function inside(make: () => number): number {
    const fd = pod.enter(make)
    opened.push(fd)
    return fd
  }

  async function accepted(listening: number): Promise<{ fd: number; ip: string }> {
    return waitFor('a connection to be accepted', () => {
      const result = acceptOn(listening)
      if (result.kind !== 'accepted') return undefined
      opened.push(result.fd)
      return { fd: result.fd, ip: result.peer.ip }
    })
  }

  test.each([
    { family: 'v4' as const, app: '10.99.0.2', source: '10.99.1.7' },
    ...(hasIpv6 ? [{ family: 'v6' as const, app: 'fd99::2', source: 'fd99:1::7' }] : []),
  ])('bindSource() shows the app a source that is not ours ($family)', async ({ family, app, source }) => {
    const listening = inside(() => listenOn({ ip: app, port: 8080 }))
    const fd = inside(() => tcpSocket({ family, mark: MESH_MARK }))
    bindSource(fd, source)
    expect(localAddress(fd).ip).toBe(source)
    expect(startConnect(fd, { ip: app, port: 8080 })).toEqual({ kind: 'started' })
    expect((await accepted(listening)).ip).toBe(source)
    expect(localAddress(fd).port).toBeGreaterThan(0)
  })

  test.each([
    { family: 'v4' as const, app: '10.99.0.2', source: '10.99.1.7' },
    ...(hasIpv6 ? [{ family: 'v6' as const, app: 'fd99::2', source: 'fd99:1::7' }] : []),
  ])(
    'bindSource() takes no port that a caller’s kernel takes, as long as there are others ($family)',
    ({ family, app, source }) => {
      inside(() => listenOn({ ip: app, port: 8080 }, { backlog: 1000 }))
      const portOf = (isBound: boolean): number => {
        const fd = inside(() => tcpSocket({ family, mark: MESH_MARK }))
        if (isBound) bindSource(fd, source)
        startConnect(fd, { ip: app, port: 8080 })
        return localAddress(fd).port
      }
      const dialled = Array.from({ length: 200 }, () => portOf(true))
      expect(new Set(dialled).size).toBe(200)
      expect(dialled.filter((port) => port % 2 === 0)).toEqual([])
      const own = Array.from({ length: 200 }, () => portOf(false))
      expect(own.filter((port) => port % 2 !== 0)).toEqual([])
    },
  )

  test('bindSource() finds a free one of them also where seven of ten are taken', () => {
    raiseFileLimit()
    const take = (): number => {
      const fd = inside(() => tcpSocket({ family: 'v4', mark: MESH_MARK }))
      bindSource(fd, '10.99.1.8')
      return localAddress(fd).port
    }
    const taken = Array.from({ length: 10_000 }, take)
    expect(new Set(taken).size).toBe(10_000)
    expect(taken.filter((port) => port % 2 === 0)).toEqual([])
  })

  test.each([
    { listen: '0.0.0.0', dial: '10.99.0.2', family: undefined },
    { listen: '0.0.0.0', dial: '10.99.0.2', family: 'v4' as const },
    ...(hasIpv6
      ? [
          { listen: '::', dial: '10.99.0.2', family: undefined },
          { listen: '::', dial: '10.99.0.2', family: 'v4' as const },
          { listen: '::', dial: 'fd99::2', family: undefined },
          { listen: '::', dial: 'fd99::2', family: 'v6' as const },
        ]
      : []),
  ])(
    'originalDestination() tells what $dial at $listen was, asked for $family',
    async ({ listen, dial, family }) => {
      const listening = inside(() => listenOn({ ip: listen, port: 15001 }, { mark: MESH_MARK }))
      const client = inside(() => tcpSocket({ family: dial.includes(':') ? 'v6' : 'v4' }))
      startConnect(client, { ip: dial, port: 80 })
      const { fd } = await accepted(listening)
      expect(originalDestination(fd, family)).toEqual({ ip: dial, port: 80 })
      expect(localAddress(fd).port).toBe(15001)
    },
  )

  test('originalDestination() is the local address of what was not redirected', async () => {
    const listening = inside(() => listenOn({ ip: '0.0.0.0', port: 15001 }))
    const client = inside(() => tcpSocket())
    startConnect(client, { ip: '10.99.0.2', port: 15001 })
    expect(originalDestination((await accepted(listening)).fd)).toEqual({ ip: '10.99.0.2', port: 15001 })
  })
})
