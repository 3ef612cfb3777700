import { MESH_MARK } from '@ambient/linux'
import { requireRoot } from '@ambient/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { ACK, type Extension, type Frame, frameBytes, SYN } from './frames.ts'
import { type Outcome, POD, PROBE, SteeredPod } from './steered-pod.ts'

const RUNS = 400

/**
 * What may pass is said of the packet as it was built, never by reading its bytes again. All else is to be steered (which is
 * `drop_not_assigned` for a packet that comes from no device) or dropped.
 */
describe.skipIf(!requireRoot())('random packets', () => {
  let pod: SteeredPod
  beforeAll(() => {
    pod = new SteeredPod()
    pod.listen()
  })
  afterAll(() => pod[Symbol.dispose]())

  test('uplink_ingress lets nothing of TCP pass to the pod but HBONE and probes', () => {
    check((frame, cut) => {
      const outcome = pod.show('uplink_ingress', cut)
      const isToOthers = !isOwn(frame.destination)
      const isOpen = isProbe(frame.source) || (frame.destinationPort === 15_008 && isWhole(frame))
      return refuses(outcome) || isHarmless(frame) || isToOthers || isOpen
    })
  })

  test('lo_ingress lets nothing of TCP pass but what stays in the pod', () => {
    check((frame, cut) => {
      const outcome = pod.show('lo_ingress', cut)
      return (
        refuses(outcome) || isHarmless(frame) || isOwn(frame.destination) || isLoopback(frame.destination)
      )
    })
  })

  test('virtual_ingress lets nothing of TCP pass but what is to the pod', () => {
    check((frame, cut) => {
      const outcome = pod.show('virtual_ingress', cut)
      return refuses(outcome) || isHarmless(frame) || isOwn(frame.destination)
    })
  })

  test('uplink_egress lets no opening of TCP pass but ztunnel’s and those to the probe', () => {
    check((frame, cut, mark) => {
      const outcome = pod.show('uplink_egress', cut, mark)
      const opens = ((frame.flags ?? SYN) & (SYN | ACK)) === SYN
      const isMarked = (mark & 0xfff) === MESH_MARK
      return refuses(outcome) || isHarmless(frame) || !opens || isMarked || isProbe(frame.destination)
    })
  })

  test('lo_egress changes nothing but DNS, and keeps the length of everything', () => {
    check((frame, cut) => {
      const outcome = pod.show('lo_egress', cut)
      const isDns = frame.protocol === 'udp' && (frame.destinationPort === 53 || frame.sourcePort === 15_053)
      return outcome === 'pass' || isDns
    })
  })
})

function check(holds: (frame: Frame, bytes: Uint8Array, mark: number) => boolean): void {
  fc.assert(
    fc.property(frames, cuts, marks, (frame, cut, mark) => {
      const bytes = frameBytes(frame)
      const fixed = 14 + (frame.vlans ?? []).length * 4 + (frame.destination.includes(':') ? 40 : 20)
      const length = cut === undefined ? bytes.length : fixed + Math.floor(cut * (bytes.length - fixed))
      return holds(frame, bytes.subarray(0, length), mark)
    }),
    { numRuns: RUNS },
  )
}

/** Steered, or dropped. */
function refuses(outcome: Outcome): boolean {
  return outcome.startsWith('drop_')
}

/** Not TCP; or a later fragment, which is nothing without the first. */
function isHarmless(frame: Frame): boolean {
  if (frame.protocol !== 'tcp') return true
  const isLater = (each: object): boolean =>
    'offset' in each && typeof each.offset === 'number' && each.offset > 0
  return [frame.fragment ?? {}, ...(frame.extensions ?? [])].some(isLater)
}

function isWhole(frame: Frame): boolean {
  const isPart = (each: { readonly offset: number; readonly more: boolean } | undefined): boolean =>
    each !== undefined && (each.more || each.offset > 0)
  return (
    !isPart(frame.fragment) &&
    (frame.vlans ?? []).length === 0 &&
    !(frame.extensions ?? []).some((each) => each.kind === 'fragment' && isPart(each))
  )
}

function isOwn(ip: string): boolean {
  return ip === POD.v4 || ip === POD.v6
}

function isProbe(ip: string): boolean {
  return ip === PROBE.v4 || ip === PROBE.v6
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

const part = fc.record({ offset: fc.constantFrom(0, 0, 1, 185), more: fc.boolean() })
const extension: fc.Arbitrary<Extension> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('hop-by-hop', 'routing', 'destination'),
    words: fc.integer({ min: 0, max: 3 }),
  }),
  fc.constant({ kind: 'authentication' } as const),
  part.map((each) => ({ kind: 'fragment', ...each }) as const),
)
const either = {
  IPv4: ['10.2.2.2', '10.1.1.2', '127.0.0.1', '255.255.255.255', POD.v4, POD.v4, PROBE.v4],
  IPv6: ['fd02::2', 'fd01::2', '::1', '::', '::ffff:10.2.2.2', 'ff02::1', POD.v6, POD.v6, PROBE.v6],
} as const
const ports = fc.constantFrom(53, 80, 15_001, 15_006, 15_008, 15_053, 40_000)

const frames: fc.Arbitrary<Frame> = fc.constantFrom('IPv4', 'IPv6').chain((family) =>
  fc.record(
    {
      source: fc.constantFrom(...either[family]),
      destination: fc.constantFrom(...either[family]),
      protocol: fc.constantFrom('tcp', 'tcp', 'tcp', 'udp', 'icmp'),
      sourcePort: ports,
      destinationPort: ports,
      flags: fc.integer({ min: 0, max: 255 }),
      payload: fc.uint8Array({ maxLength: 64 }),
      optionBytes: fc.constantFrom(0, 4, 20, 40),
      vlans: fc.oneof(
        { weight: 5, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 4094 }), { minLength: 1, maxLength: 2 }) },
      ),
      fragment: family === 'IPv4' ? fc.option(part, { nil: undefined, freq: 2 }) : fc.constant(undefined),
      extensions: family === 'IPv6' ? fc.array(extension, { maxLength: 10 }) : fc.constant([]),
    },
    { requiredKeys: ['source', 'destination', 'protocol', 'sourcePort', 'destinationPort'] },
  ),
)
const cuts = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.double({ min: 0, max: 0.999, noNaN: true }) },
)
const marks = fc.constantFrom(0, 1, MESH_MARK, MESH_MARK | 0x1000, 0x53)
