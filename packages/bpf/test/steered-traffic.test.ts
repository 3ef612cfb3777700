import { liveBpfDescriptors } from '@ambient/bpf'
import { acceptOn, localAddress, MESH_MARK, startConnect } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ELSEWHERE, type Family, REMOTE, SteeredNet, type Way } from './steered-net.ts'
import { inNamespace, POD } from './steered-pod.ts'

const ways: readonly Way[] = ['links', 'filters']
const families: readonly Family[] = ['v4', 'v6']

describe.skipIf(!requireRoot()).each(ways)('traffic of a steered pod, by %s', (way) => {
  let net: SteeredNet
  let before: ReadonlyMap<number, string>

  beforeEach(() => {
    before = openDescriptors()
    net = new SteeredNet(way)
  })
  afterEach(() => {
    net[Symbol.dispose]()
    expect(leakedDescriptors(before)).toEqual([])
    expect(liveBpfDescriptors()).toEqual([])
  })

  test.each(families)(
    'a connection to elsewhere comes to ztunnel with both its addresses: %s',
    async (family) => {
      const listener = net.listen(net.pod.netns, 15_001, MESH_MARK)
      const to = { ip: ELSEWHERE[family], port: 80 }
      for (const options of [{}, { device: 'eth0' }]) {
        const app = net.connect(net.pod.netns, to, options)
        const { from, to: seen } = await net.accepted(listener)
        expect(seen).toEqual(to)
        expect(from).toEqual(localAddress(app))
        expect(from.ip).toBe(POD[family])
      }
      expect(net.pod.counters().get('outbound')).toBe(2)
    },
  )

  test.each(families)(
    'a connection from outside comes to ztunnel, HBONE to its own port: %s',
    async (family) => {
      const inbound = net.listen(net.pod.netns, 15_006, MESH_MARK)
      const hbone = net.listen(net.pod.netns, 15_008, MESH_MARK)
      net.listen(net.pod.netns, 8080)
      for (const [port, listener] of [
        [8080, inbound],
        [15_008, hbone],
      ] as const) {
        const to = { ip: POD[family], port }
        const client = net.connect(net.remote, to)
        const { from, to: seen } = await net.accepted(listener)
        expect({ from, seen }).toEqual({ from: localAddress(client), seen: to })
      }
      expect(net.pod.counters().get('inbound')).toBe(1)
    },
  )

  // The kernel would give it to whoever listens where the packet goes. It may also refuse it as long as that lasts.
  test('a new connection in the place of one in TIME_WAIT does not come to the application', async () => {
    inNamespace(net.remote, 'sysctl', '-qw', 'net.ipv4.ip_local_port_range=40000 40000')
    const inbound = net.listen(net.pod.netns, 15_006, MESH_MARK)
    const app = net.listen(net.pod.netns, 8080)
    const to = { ip: POD.v4, port: 8080 }
    const client = net.connect(net.remote, to)
    net.close((await net.accepted(inbound)).fd) // whoever closes first has the TIME_WAIT, if the other has heard of it
    await waitFor('FIN_WAIT2', () => inNamespace(net.pod.netns, 'ss', '-Htan').includes('FIN-WAIT-2'))
    net.close(client)
    await waitFor('TIME_WAIT', () => inNamespace(net.pod.netns, 'ss', '-Htan').includes('TIME-WAIT'))

    const counted = net.pod.counters().get('inbound') ?? 0
    net.connect(net.remote, to)
    await waitFor('its SYN to be given to ztunnel', () => net.pod.counters().get('inbound') === counted + 1)
    expect(acceptOn(app)).toEqual({ kind: 'wait' })
  })

  test('while ztunnel is away connections are dropped and counted; it comes back and nobody has to act', async () => {
    const first = net.listen(net.pod.netns, 15_001, MESH_MARK)
    net.close(first)
    net.connect(net.pod.netns, { ip: ELSEWHERE.v4, port: 80 })
    await waitFor('a drop', () => net.pod.counters().get('drop_no_listener') !== 0)
    const again = net.listen(net.pod.netns, 15_001, MESH_MARK)
    expect((await net.accepted(again)).to).toEqual({ ip: ELSEWHERE.v4, port: 80 }) // the kernel asked again
  })

  test.each(families)(
    'with the rules flushed the guard drops what would go out in clear: %s',
    async (family) => {
      const listener = net.listen(net.remote, 80)
      net.flushRules()
      net.connect(net.pod.netns, { ip: REMOTE[family], port: 80 })
      await waitFor('a drop', () => net.pod.counters().get('drop_guard') !== 0)
      const ztunnel = net.connect(net.pod.netns, { ip: REMOTE[family], port: 80 }, { mark: MESH_MARK })
      expect((await net.accepted(listener)).from).toEqual(localAddress(ztunnel))
    },
  )

  test.each(families)(
    'queries of one socket to two resolvers are answered as by each: %s',
    async (family) => {
      const dns = net.dnsListener(family)
      const other = { ip: REMOTE[family], port: 53 }
      const resolver = { ip: ELSEWHERE[family], port: 53 }
      const asking = net.datagramSocket(family)
      net.send(asking, [0, 1, 7], resolver)
      net.send(asking, [0, 2, 8], other)
      const questions = [await net.receive(dns), await net.receive(dns)]
      expect(questions.map(({ from }) => from.ip)).toEqual([POD[family], POD[family]])
      for (const { bytes, from } of questions) net.send(dns, [...bytes, 9], from)
      expect([await net.receive(asking), await net.receive(asking)]).toEqual([
        { bytes: [0, 1, 7, 9], from: resolver },
        { bytes: [0, 2, 8, 9], from: other },
      ])

      const connected = net.datagramSocket(family)
      startConnect(connected, resolver) // takes no answer of anybody else
      net.send(connected, [0, 3, 7], resolver)
      const { from } = await net.receive(dns)
      net.send(dns, [0, 3, 9], from)
      expect(await net.receive(connected)).toEqual({ bytes: [0, 3, 9], from: resolver })
      expect(net.pod.counters().get('dns_answer')).toBe(3)
    },
  )
})
