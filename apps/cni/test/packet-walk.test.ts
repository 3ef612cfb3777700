/** One packet after the other through each backend, as the table of the redirection contract has them (docs/architecture/redirection.md). */
import { MESH_MARK } from '@ambient/linux'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { iptablesPrograms } from '../src/redirect/choose-iptables.ts'
import type { HostProbe } from '../src/redirect/host-probe.ts'
import { IptablesHostProbe } from '../src/redirect/iptables-host-probe.ts'
import { IptablesRules } from '../src/redirect/iptables-rules.ts'
import { NetfilterBackend } from '../src/redirect/netfilter-backend.ts'
import { NftHostProbe } from '../src/redirect/nft-host-probe.ts'
import { NftRules } from '../src/redirect/nft-rules.ts'
import type { PacketRules } from '../src/redirect/packet-rules.ts'
import { podSysctls } from '../src/redirect/pod-sysctls.ts'
import type { RedirectBackend } from '../src/redirect/redirect-backend.ts'
import { createProgramRunner } from '../src/redirect/run-program.ts'
import { plainSettings } from './redirect-cases.ts'
import { places, WalkNet } from './walk-net.ts'

requireRoot()
const run = createProgramRunner({ maxRunning: 4, maxOutputBytes: 1 << 20, deadlineMs: 10_000 })
const sysctls = podSysctls('/proc')
const { probe } = plainSettings
const nft = iptablesPrograms('nft', { legacy: true, nft: true, plain: undefined })

interface Kind {
  readonly name: string
  readonly rules: PacketRules
  readonly host: (net: WalkNet) => HostProbe
}

const kinds: readonly Kind[] = [
  {
    name: 'iptables',
    rules: new IptablesRules(nft, { run, lockDirectory: undefined }),
    host: ({ node }) =>
      new IptablesHostProbe({ run, hostNetns: node.netns, probe, ipv6: true, programs: nft }),
  },
  {
    name: 'nftables',
    rules: new NftRules({ run, maxReferences: 4 }),
    host: ({ node }) =>
      new NftHostProbe({ run, hostNetns: node.netns, probe, ipv6: true, kubeletUid: () => 0 }),
  },
]

describe.each(kinds)('through $name', ({ rules, host }) => {
  let net: WalkNet
  let backend: RedirectBackend
  beforeAll(async () => {
    net = new WalkNet()
    backend = new NetfilterBackend({ sysctls, rules })
    const set = host(net)
    await set.ensure()
    await set.add((['IPv4', 'IPv6'] as const).map((family) => ({ ip: places[family].pod, uid: 'u' })))
  })
  afterAll(() => net.close())
  beforeEach(() => {
    net.caught.length = 0
    net.dnsAtProxy.length = 0
    net.dnsAtRemote.length = 0
  })

  describe.each(['IPv4', 'IPv6'] as const)('an enrolled pod, DNS captured, over %s', (family) => {
    const { loopback, pod, remote, service } = places[family]
    beforeAll(async () => {
      net.startProxy()
      await backend.apply(net.pod.netns, { ...plainSettings, dnsCapture: true }, 'new')
    })
    afterAll(() => net.stopProxy())

    test('app to remote goes to 15001 with the pod as peer and the remote as original destination; ztunnel’s own connection leaves', async () => {
      const greeting = await net.greet(net.pod, { ip: remote, port: 80 })
      expect(greeting).toEqual({ who: 'remote', peer: pod, local: remote })
      expect(net.caught).toEqual([
        {
          port: 15_001,
          peer: { ip: pod, port: expect.any(Number) as number },
          local: { ip: loopback, port: 15_001 },
          original: { ip: remote, port: 80 },
        },
      ])
      const entry = net
        .tracked(family)
        .find((line) => line.includes('dport=80 ') && line.includes(`src=${loopback} `))
      expect(entry).toContain('sport=15001')
    })

    test('remote to 15008 is not touched, and the original destination is the socket’s own address', async () => {
      using client = await net.connect(net.remote, { ip: pod, port: 15_008 })
      await waitFor('ztunnel to have it', () => net.caught.length > 0)
      expect(net.caught[0]).toEqual({
        port: 15_008,
        peer: client.local,
        local: { ip: pod, port: 15_008 },
        original: { ip: pod, port: 15_008 },
      })
    })

    test('remote to the app goes to 15006; the app sees the remote, its answers come back by ztunnel, and the connection is marked', async () => {
      using client = await net.connect(net.remote, { ip: pod, port: 8080 })
      expect(await client.greeting()).toEqual({ who: 'app', peer: remote, local: pod })
      await client.say('and back')
      expect(net.caught).toEqual([
        {
          port: 15_006,
          peer: client.local,
          local: { ip: pod, port: 15_006 },
          original: { ip: pod, port: 8080 },
        },
      ])
      const marked = net
        .tracked(family)
        .filter((line) => line.includes('mark=273 ') && line.includes(`src=${remote} `))
      expect(marked.length).toBeGreaterThan(0)
    })

    test('a probe of the node reaches the app itself, from the probe address', async () => {
      const greeting = await net.greet(net.node, { ip: pod, port: 8080 })
      expect(greeting).toEqual({ who: 'app', peer: places[family].probe, local: pod })
      expect(net.caught).toEqual([])
    })

    test.each(family === 'IPv4' ? [loopback, '127.0.0.2', pod] : [loopback, pod])(
      'app to its own %s stays direct',
      async (own) => {
        const greeting = await net.greet(net.pod, { ip: own, port: 8080 })
        expect(greeting.who).toBe('app')
        expect(net.caught).toEqual([])
      },
    )

    test('app to a service that leads back to itself goes by 15001, and what ztunnel dials is not caught again', async () => {
      const greeting = await net.greet(net.pod, { ip: service, port: 80 })
      expect(greeting).toMatchObject({ who: 'app', peer: pod })
      expect(net.caught.map(({ port, original }) => ({ port, original }))).toEqual([
        { port: 15_001, original: { ip: service, port: 80 } },
      ])
    })

    test.each([false, true])(
      'a DNS question goes to 15053, and its answer comes from whom it was sent to (connected socket: %s)',
      async (isConnected) => {
        const answerer = await net.ask(net.pod, { ip: remote, port: 53 }, { isConnected })
        expect(answerer).toEqual({ ip: remote, port: 53 })
        expect(net.dnsAtProxy).toEqual([pod])
        expect(net.dnsAtRemote).toEqual([])
      },
    )

    test('ztunnel’s own DNS question leaves, in a conntrack zone of its own', async () => {
      await net.ask(net.pod, { ip: remote, port: 53 }, { mark: MESH_MARK })
      expect([net.dnsAtProxy, net.dnsAtRemote]).toEqual([[], [pod]])
      expect(
        net.tracked(family).filter((line) => line.includes('udp') && line.includes('zone=1')),
      ).not.toEqual([])
    })

    test('DNS over TCP goes to 15053', async () => {
      const greeting = await net.greet(net.pod, { ip: remote, port: 53 })
      expect(greeting.peer).toBe(pod)
      expect(net.caught).toMatchObject([{ port: 15_053, original: { ip: remote, port: 53 } }])
    })

    test('a client of a closed port is accepted by ztunnel and then reset', async () => {
      using client = await net.connect(net.remote, { ip: pod, port: 9 })
      expect(await client.ended()).toMatch(/ECONNRESET|closed/)
      expect(net.caught).toMatchObject([{ port: 15_006, original: { ip: pod, port: 9 } }])
    })

    test('with nobody behind the redirect every connection is refused, in and out; probes go on', async () => {
      net.stopProxy()
      await expect(net.greet(net.pod, { ip: remote, port: 80 })).rejects.toThrow('refused')
      await expect(net.greet(net.remote, { ip: pod, port: 8080 })).rejects.toThrow('refused')
      expect((await net.greet(net.node, { ip: pod, port: 8080 })).who).toBe('app')
      net.startProxy()
    })
  })

  describe('with other settings', () => {
    beforeEach(() => net.startProxy())
    afterEach(() => net.stopProxy())

    test.each(['IPv4', 'IPv6'] as const)(
      'an ingress-only pod takes %s directly, and what it sends is captured',
      async (family) => {
        const { pod, remote } = places[family]
        await backend.apply(net.pod.netns, { ...plainSettings, ingressOnly: true }, 'new')
        expect((await net.greet(net.remote, { ip: pod, port: 8080 })).peer).toBe(remote)
        expect(net.caught).toEqual([])
        expect((await net.greet(net.pod, { ip: remote, port: 80 })).peer).toBe(pod)
        expect(net.caught).toMatchObject([{ port: 15_001 }])
      },
    )

    test.each(['IPv4', 'IPv6'] as const)(
      'without DNS capture a %s question leaves by itself, and over TCP it is a connection as any',
      async (family) => {
        const { pod, remote } = places[family]
        await backend.apply(net.pod.netns, plainSettings, 'new')
        await net.ask(net.pod, { ip: remote, port: 53 })
        expect([net.dnsAtProxy, net.dnsAtRemote]).toEqual([[], [pod]])
        await net.greet(net.pod, { ip: remote, port: 53 })
        expect(net.caught).toMatchObject([{ port: 15_001, original: { ip: remote, port: 53 } }])
      },
    )

    test.each(['IPv4', 'IPv6'] as const)(
      'what a guest behind a virtual interface sends over %s counts as the pod’s',
      async (family) => {
        const { guest, tap, remote } = places[family]
        await backend.apply(net.pod.netns, { ...plainSettings, virtualInterfaces: ['tap0'] }, 'new')
        expect((await net.greet(net.guest, { ip: remote, port: 80 })).who).toBe('remote')
        expect(net.caught).toMatchObject([
          {
            port: 15_001,
            peer: { ip: guest },
            local: { ip: tap, port: 15_001 },
            original: { ip: remote, port: 80 },
          },
        ])
      },
    )

    test.each(['IPv4', 'IPv6'] as const)(
      'a pod that leaves: open connections go on over %s by ztunnel, new ones are direct',
      async (family) => {
        const { pod, remote } = places[family]
        await backend.apply(net.pod.netns, plainSettings, 'new')
        using outward = await net.connect(net.pod, { ip: remote, port: 80 })
        using inward = await net.connect(net.remote, { ip: pod, port: 8080 })
        for (const each of [outward, inward]) await each.greeting()
        await backend.stopRedirecting(net.pod.netns)
        net.caught.length = 0
        for (const each of [outward, inward]) await each.say('still here')
        expect((await net.greet(net.pod, { ip: remote, port: 80 })).peer).toBe(pod)
        expect((await net.greet(net.remote, { ip: pod, port: 8080 })).peer).toBe(remote)
        expect(net.caught).toEqual([])
      },
    )
  })
})
