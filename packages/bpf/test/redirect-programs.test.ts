import type { RedirectProgram } from '@ambient/bpf'
import { MESH_MARK } from '@ambient/linux'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACK, type Frame, frameBytes, SYN } from './frames.ts'
import { MESH_PORTS, type Outcome, POD, PROBE, SteeredPod } from './steered-pod.ts'

type Port = keyof typeof MESH_PORTS
/** Which of ztunnel's ports a packet would be given to, or what became of it without that. */
type Fate = Exclude<Outcome, 'drop_not_assigned' | Port> | `to ${Port}`

interface Case {
  readonly what: string
  readonly program: RedirectProgram
  readonly frame: Frame
  readonly fate: Fate
  readonly mark?: number
}

const out4 = { source: POD.v4, destination: '10.2.2.2' }
const out6 = { source: POD.v6, destination: 'fd02::2' }
const in4 = { source: '10.2.2.2', destination: POD.v4 }
const in6 = { source: 'fd02::2', destination: POD.v6 }
const query = { protocol: 'udp', destinationPort: 53, payload: Uint8Array.of(1, 2, 3, 4) } as const
const whole = { offset: 0, more: false }
const first = { offset: 0, more: true }
const later = { offset: 8, more: true }
const nine = Array.from({ length: 9 }, () => ({ kind: 'destination', words: 0 }) as const)

const cases: readonly Case[] = [
  { what: 'a new connection over IPv4', program: 'lo_ingress', frame: out4, fate: 'to outbound' },
  { what: 'a new connection over IPv6', program: 'lo_ingress', frame: out6, fate: 'to outbound' },
  {
    what: 'a packet of no known connection, as after SYN cookies',
    program: 'lo_ingress',
    frame: { ...out4, flags: ACK },
    fate: 'to outbound',
  },
  {
    what: 'IPv4 options',
    program: 'lo_ingress',
    frame: { ...out4, optionBytes: 40 },
    fate: 'to outbound',
  },
  {
    what: 'DNS over TCP',
    program: 'lo_ingress',
    frame: { ...out6, destinationPort: 53 },
    fate: 'to dns',
  },
  {
    what: 'the pod itself',
    program: 'lo_ingress',
    frame: { source: POD.v4, destination: POD.v4 },
    fate: 'pass',
  },
  {
    what: 'loopback over IPv4',
    program: 'lo_ingress',
    frame: { source: '127.0.0.1', destination: '127.9.9.9' },
    fate: 'pass',
  },
  {
    what: 'loopback over IPv6',
    program: 'lo_ingress',
    frame: { source: '::1', destination: '::1' },
    fate: 'pass',
  },
  { what: 'UDP', program: 'lo_ingress', frame: { ...out4, protocol: 'udp' }, fate: 'pass' },
  { what: 'a fragment', program: 'lo_ingress', frame: { ...out4, fragment: first }, fate: 'drop_fragment' },
  { what: 'a tag', program: 'lo_ingress', frame: { ...out4, vlans: [7] }, fate: 'drop_vlan' },

  { what: 'a new connection over IPv4', program: 'uplink_ingress', frame: in4, fate: 'to inbound' },
  { what: 'a new connection over IPv6', program: 'uplink_ingress', frame: in6, fate: 'to inbound' },
  {
    what: 'DNS over TCP, which is a service of the pod',
    program: 'uplink_ingress',
    frame: { ...in4, destinationPort: 53 },
    fate: 'to inbound',
  },
  {
    what: 'HBONE',
    program: 'uplink_ingress',
    frame: { ...in6, destinationPort: 15_008 },
    fate: 'pass',
  },
  {
    what: 'a probe over IPv4',
    program: 'uplink_ingress',
    frame: { ...in4, source: PROBE.v4 },
    fate: 'pass',
  },
  {
    what: 'a probe over IPv6',
    program: 'uplink_ingress',
    frame: { ...in6, source: PROBE.v6 },
    fate: 'pass',
  },
  {
    what: 'the mark of ztunnel, which is worth nothing from outside',
    program: 'uplink_ingress',
    frame: in4,
    mark: MESH_MARK,
    fate: 'to inbound',
  },
  {
    what: 'what goes on to a machine behind the pod',
    program: 'uplink_ingress',
    frame: { ...in4, destination: '10.3.3.3' },
    fate: 'pass',
  },
  {
    what: 'ICMP of IPv6 in fragments',
    program: 'uplink_ingress',
    frame: { ...in6, protocol: 'icmp', extensions: [{ kind: 'fragment', ...later }] },
    fate: 'pass',
  },
  {
    what: 'a first fragment over IPv4',
    program: 'uplink_ingress',
    frame: { ...in4, fragment: first },
    fate: 'drop_fragment',
  },
  {
    what: 'a later fragment over IPv4',
    program: 'uplink_ingress',
    frame: { ...in4, fragment: later },
    fate: 'drop_fragment',
  },
  {
    what: 'a first fragment over IPv6, said to be of HBONE',
    program: 'uplink_ingress',
    frame: { ...in6, destinationPort: 15_008, extensions: [{ kind: 'fragment', ...first }] },
    fate: 'drop_fragment',
  },
  {
    what: 'a first fragment behind which more headers stand',
    program: 'uplink_ingress',
    frame: {
      ...in6,
      extensions: [
        { kind: 'fragment', ...first },
        { kind: 'destination', words: 1 },
      ],
    },
    fate: 'drop_fragment',
  },
  {
    what: 'a fragment that is the whole',
    program: 'uplink_ingress',
    frame: { ...in6, extensions: [{ kind: 'fragment', ...whole }] },
    fate: 'to inbound',
  },
  {
    what: 'extension headers of every kind',
    program: 'uplink_ingress',
    frame: {
      ...in6,
      extensions: [
        { kind: 'hop-by-hop', words: 0 },
        { kind: 'destination', words: 2 },
        { kind: 'routing', words: 1 },
        { kind: 'authentication' },
      ],
    },
    fate: 'to inbound',
  },
  {
    what: 'more extension headers than are followed',
    program: 'uplink_ingress',
    frame: { ...in6, extensions: nine },
    fate: 'drop_headers',
  },
  {
    what: 'as many extension headers as are followed',
    program: 'uplink_ingress',
    frame: { ...in6, extensions: nine.slice(1) },
    fate: 'to inbound',
  },
  {
    what: 'two tags',
    program: 'uplink_ingress',
    frame: { ...in4, vlans: [7, 8] },
    fate: 'drop_vlan',
  },

  { what: 'a new connection', program: 'virtual_ingress', frame: in6, fate: 'pass' },
  {
    what: 'a new connection to elsewhere',
    program: 'virtual_ingress',
    frame: { source: '10.3.3.3', destination: '10.2.2.2' },
    fate: 'to outbound',
  },
  {
    what: 'DNS over TCP to elsewhere',
    program: 'virtual_ingress',
    frame: { source: '10.3.3.3', destination: '10.2.2.2', destinationPort: 53 },
    fate: 'to outbound',
  },

  { what: 'a new connection past ztunnel', program: 'uplink_egress', frame: out4, fate: 'drop_guard' },
  { what: 'a new connection over IPv6', program: 'uplink_egress', frame: out6, fate: 'drop_guard' },
  { what: 'ztunnel’s own', program: 'uplink_egress', frame: out4, mark: MESH_MARK, fate: 'pass' },
  {
    what: 'ztunnel’s own, with somebody else’s bits',
    program: 'uplink_egress',
    frame: out4,
    mark: MESH_MARK | 0xf000_0000,
    fate: 'pass',
  },
  { what: 'another mark', program: 'uplink_egress', frame: out4, mark: 0x538, fate: 'drop_guard' },
  {
    what: 'an answer',
    program: 'uplink_egress',
    frame: { ...out4, flags: SYN | ACK },
    fate: 'pass',
  },
  { what: 'a kept connection', program: 'uplink_egress', frame: { ...out4, flags: ACK }, fate: 'pass' },
  {
    what: 'a connection to the probe’s address',
    program: 'uplink_egress',
    frame: { ...out6, destination: PROBE.v6 },
    fate: 'pass',
  },
  {
    what: 'a first fragment',
    program: 'uplink_egress',
    frame: { ...out4, fragment: first },
    fate: 'drop_fragment',
  },
  { what: 'UDP', program: 'uplink_egress', frame: { ...out4, protocol: 'udp' }, fate: 'pass' },

  { what: 'a query over IPv4', program: 'lo_egress', frame: { ...out4, ...query }, fate: 'dns_query' },
  { what: 'a query over IPv6', program: 'lo_egress', frame: { ...out6, ...query }, fate: 'dns_query' },
  {
    what: 'ztunnel’s own query',
    program: 'lo_egress',
    frame: { ...out4, ...query },
    mark: MESH_MARK,
    fate: 'pass',
  },
  {
    what: 'a query to a resolver on loopback',
    program: 'lo_egress',
    frame: { ...query, source: '127.0.0.1', destination: '127.0.0.53' },
    fate: 'pass',
  },
  {
    what: 'a datagram to another port',
    program: 'lo_egress',
    frame: { ...out4, ...query, destinationPort: 54 },
    fate: 'pass',
  },
  {
    what: 'an answer to nobody',
    program: 'lo_egress',
    frame: { ...query, source: '127.0.0.1', destination: POD.v4, sourcePort: 15_053, destinationPort: 5 },
    fate: 'pass',
  },
]

describe.skipIf(!requireRoot())('programs of the redirection', () => {
  const pods = new Map<Port, SteeredPod>()

  beforeAll(() => {
    for (const [name, port] of Object.entries(MESH_PORTS)) {
      const pod = new SteeredPod()
      pod.listen([port])
      pods.set(name as Port, pod)
    }
  })
  afterAll(() => {
    for (const pod of pods.values()) pod[Symbol.dispose]()
  })

  // Over a packet that comes from no device the kernel does not assign a socket: that it was about to is what tells.
  function fateOf({ program, frame, mark }: Case): Fate {
    const fates = new Set(
      [...pods].map(([port, pod]): Fate | 'drop_no_listener' => {
        const outcome = pod.show(program, frame, mark)
        return outcome === 'drop_not_assigned' ? `to ${port}` : (outcome as Fate)
      }),
    )
    const steered = [...fates].find((fate) => fate.startsWith('to '))
    if (steered === undefined && fates.size > 1) throw new Error([...fates].join(' and '))
    return steered ?? [...fates][0] ?? 'pass'
  }

  test.each(cases)('$program: $what: $fate', (each) => {
    expect(fateOf(each)).toBe(each.fate)
  })

  test.each(['lo_ingress', 'uplink_ingress', 'virtual_ingress', 'uplink_egress'] as const)(
    '%s drops every frame that is cut before the end of the TCP header',
    (program) => {
      using pod = new SteeredPod()
      for (const frame of [in4, in6, out4, out6, { ...in4, optionBytes: 8 }]) {
        const bytes = frameBytes(frame)
        const fixed = 14 + (frame.destination.includes(':') ? 40 : 20) // the kernel shows no less to a program that is tried
        for (let length = fixed; length < bytes.length; length++) {
          expect([length, pod.show(program, bytes.subarray(0, length))]).toEqual([length, 'drop_truncated'])
        }
      }
    },
  )

  test('what would be steered is dropped until there are settings, and while ztunnel does not listen', () => {
    using unset = new SteeredPod({ isReady: false })
    unset.listen()
    using alone = new SteeredPod()
    for (const [program, frame] of [
      ['lo_ingress', out4],
      ['uplink_ingress', in6],
      ['virtual_ingress', out6],
    ] as const) {
      expect(unset.show(program, frame)).toBe('drop_not_ready')
      expect(alone.show(program, frame)).toBe('drop_no_listener')
    }
    expect(unset.show('uplink_egress', out4, MESH_MARK)).toBe('drop_not_ready')
    expect(unset.show('lo_egress', { ...out4, ...query })).toBe('pass') // the query is what routing would drop or leave
  })

  test('without DNS capture queries are like all else', () => {
    using pod = new SteeredPod({ dnsCapture: false })
    pod.listen([MESH_PORTS.dns])
    expect(pod.show('lo_egress', { ...out4, ...query })).toBe('pass')
    expect(pod.show('lo_ingress', { ...out4, destinationPort: 53 })).toBe('drop_no_listener')
  })
})
