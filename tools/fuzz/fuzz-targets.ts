import { decodeMessage, DnsError, encodeMessage, queryMessage } from '@ambient/dns'
import {
  encodeHeaders,
  encodeProxyHeader,
  decodeProxyHeader,
  formatAuthority,
  FrameParser,
  type FrameSink,
  H2ConnectionError,
  HboneError,
  hboneLimits,
  HpackDecoder,
  HpackError,
  parseAuthority,
  parseBaggage,
  parseForwarded,
} from '@ambient/hbone'
import { wholePolicy, wholeService, wholeWorkload } from '@ambient/testkit'
import {
  decodeAddress,
  decodeAuthorization,
  encodeAddressResource,
  encodeAuthorizationResource,
  XdsError,
} from '@ambient/xds'
import { encodeWorkloadRequest } from '@ambient/xds-proto'
import { decodeRequest } from '@ambient/zds'

/** Something that reads what others sent. */
export interface FuzzTarget {
  readonly name: string
  /** Inputs that are as they should be: the first ones of the corpus. */
  readonly seeds: readonly Uint8Array[]
  /**
   * Reads one input.
   *
   * @returns Anything that tells kinds of inputs apart.
   * @throws {Error} for a violation of what the reader promises; errors that it declares are answers.
   */
  read(input: Uint8Array<ArrayBuffer>): unknown
}

const LIMITS = hboneLimits()
const text = (input: Uint8Array): string => Buffer.from(input).toString('latin1')
const bytes = (input: string): Uint8Array => Buffer.from(input, 'latin1')
const connect = encodeHeaders([
  { name: ':method', value: 'CONNECT' },
  { name: ':authority', value: '10.0.0.1:8080' },
])

/** Each reader of bytes or headers that come from others. */
export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'frames',
    seeds: [
      Buffer.concat([
        Buffer.from('000000040000000000', 'hex'),
        frame(1, 4, 1, connect),
        frame(0, 1, 1, bytes('hello')),
      ]),
      Buffer.concat([
        Buffer.from('000006040000000000000300000064', 'hex'),
        frame(8, 0, 0, bytes('\0\0\x01\0')),
      ]),
      frame(6, 0, 0, bytes('12345678')),
    ],
    read: readFrames,
  },
  {
    name: 'hpack',
    seeds: [
      connect,
      Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex'),
      Buffer.from('3fe10540017801792001', 'hex'),
    ],
    read: (input) => declared(HpackError, () => new HpackDecoder(LIMITS).decode(input).fields.length),
  },
  {
    name: 'authority',
    seeds: ['10.0.0.1:80', '[fd00::1]:443', 'web.shop.svc.cluster.local:8080'].map(bytes),
    read: (input) => {
      const authority = parseAuthority(text(input))
      if (authority === undefined) return 'none'
      same(parseAuthority(formatAuthority(authority)), authority)
      return authority.kind
    },
  },
  {
    name: 'baggage',
    seeds: ['k8s.cluster.name=a,k8s.namespace.name=b,service.name=c', 'a=b=c, , k8s.pod.name=%20'].map(bytes),
    read: (input) => Object.keys(parseBaggage(text(input).split('\n'))).join(),
  },
  {
    name: 'forwarded',
    seeds: ['for="10.0.0.1:1";host=web', 'for=x;proto=http;host="a.b"'].map(bytes),
    read: (input) => Object.keys(parseForwarded(text(input))).join(),
  },
  {
    name: 'dns',
    seeds: [encodeMessage(queryMessage(1, { name: 'web.shop', type: 1, class: 1 }))],
    read: (input) =>
      declared(DnsError, () => {
        const { questions, answers } = decodeMessage(input)
        return `${questions.length} ${answers.length}`
      }),
  },
  {
    name: 'proxy',
    seeds: [
      encodeProxyHeader({ ip: '10.0.0.1', port: 1 }, { ip: '10.0.0.2', port: 2 }),
      encodeProxyHeader({ ip: 'fd00::1', port: 1 }, { ip: 'fd00::2', port: 2 }),
    ],
    read: (input) =>
      declared(HboneError, () => {
        const decoded = decodeProxyHeader(input)
        if (decoded.kind === 'need') return 'need'
        if (decoded.consumed > input.length)
          throw new Error(`consumed ${decoded.consumed} of ${input.length} bytes`)
        if (decodeProxyHeader(input.subarray(0, decoded.consumed - 1)).kind !== 'need')
          throw new Error('a header that is cut is taken for a whole one')
        return `done ${decoded.value.tlvs.length}`
      }),
  },
  {
    name: 'workloads',
    seeds: [wholeWorkload, wholeService].map((address) => encodeAddressResource(address).bytes),
    read: (input) => declared(XdsError, () => decodeAddress(input).kind),
  },
  {
    name: 'policies',
    seeds: [encodeAuthorizationResource(wholePolicy).bytes],
    read: (input) => declared(XdsError, () => decodeAuthorization(input).rules.length),
  },
  {
    name: 'zds',
    seeds: [
      encodeWorkloadRequest({
        kind: 'add',
        uid: 'u',
        info: { name: 'a', namespace: 'b', serviceAccount: 'c' },
      }),
      encodeWorkloadRequest({ kind: 'keep', uid: 'u' }),
      encodeWorkloadRequest({ kind: 'del', uid: 'u' }),
      encodeWorkloadRequest({ kind: 'snapshot-sent' }),
    ],
    read: (input) =>
      [[], [3]].map((fds) => decodeRequest({ bytes: input, fds, truncated: false }).kind).join(),
  },
]

type ErrorClass = new (...values: never[]) => Error

/** The answer, or the text of an error that the reader declares. */
function declared(known: ErrorClass, read: () => unknown): unknown {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof known) return cause.message
    throw cause
  }
}

/** However the input is cut, the reader says the same. */
function readFrames(input: Uint8Array<ArrayBuffer>): unknown {
  const whole = framesOf(input, input.length)
  same(framesOf(input, 1 + ((input[0] ?? 0) % 7)), whole)
  return [...new Set(whole.map(({ kind }) => kind))].toSorted().join()
}

interface SeenFrame {
  readonly kind: string
  readonly values: readonly unknown[]
}

function framesOf(input: Uint8Array<ArrayBuffer>, step: number): readonly SeenFrame[] {
  const seen: SeenFrame[] = []
  const see =
    (kind: string) =>
    (...values: readonly unknown[]): void =>
      void seen.push({
        kind,
        values: values.map((value) => (value instanceof Uint8Array ? text(value) : value)),
      })
  const sink: FrameSink = {
    onData: () => {},
    onDataEnd: see('data'),
    onHeaders: see('headers'),
    onSettings: see('settings'),
    onSettingsAck: see('ack'),
    onPing: see('ping'),
    onRstStream: see('reset'),
    onWindowUpdate: see('window'),
    onGoaway: see('goaway'),
    onIgnored: see('ignored'),
  }
  const parser = new FrameParser('client', sink, LIMITS)
  const end = declared(H2ConnectionError, () => {
    for (let at = 0; at < input.length; at += step) parser.feed(input, at, Math.min(input.length, at + step))
  })
  return [...seen, { kind: String(end), values: [] }]
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

function same(found: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${left} is not ${right}`)
}
