/** What the codec costs: `../../tools/node --conditions=@ambient/source bench/codec.ts [ROUNDS]`, medians over the rounds. */
import { encodeFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FrameParser, type FrameSink } from '../src/frame-parser.ts'
import { FLAG, FRAME } from '../src/h2-constants.ts'
import { connectFields, hboneLimits, HpackDecoder, parseRequest } from '../src/index.ts'

interface Case {
  readonly name: string
  /** How many times one call does it. */
  readonly count: number
  readonly run: () => void
}

const limits = hboneLimits()
const fields = connectFields('10.244.1.7:8080', [
  {
    name: 'baggage',
    value:
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,service.version=v1',
  },
  { name: 'forwarded', value: 'for="10.244.2.9:41322";host=web.shop.svc.cluster.local' },
  { name: 'traceparent', value: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' },
])
const block = encodeHeaders(fields)
const huffman = new Uint8Array(Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex'))
const sink: FrameSink = {
  onData: () => {},
  onDataEnd: () => {},
  onHeaders: () => {},
  onSettings: () => {},
  onSettingsAck: () => {},
  onPing: () => {},
  onRstStream: () => {},
  onWindowUpdate: () => {},
  onGoaway: () => {},
  onIgnored: () => {},
}

function parsing(frameBytes: number): Case {
  const frame = encodeFrame(FRAME.data, 0, 1, new Uint8Array(frameBytes))
  const count = Math.max(1, Math.floor(262_144 / frame.length))
  const input = Buffer.concat(Array.from({ length: count }, () => frame))
  const parser = new FrameParser('client', sink, limits)
  const settings = encodeFrame(FRAME.settings, 0, 0)
  parser.feed(settings, 0, settings.length)
  return {
    name: `parse a DATA frame of ${frameBytes}`,
    count,
    run: () => parser.feed(input, 0, input.length),
  }
}

const cases: readonly Case[] = [
  parsing(64),
  parsing(1024),
  parsing(16_384),
  parsing(262_135),
  { name: 'encode a CONNECT', count: 1, run: () => void encodeHeaders(fields) },
  { name: 'decode a CONNECT', count: 1, run: () => void new HpackDecoder(limits).decode(block) },
  {
    name: 'decode Huffman (RFC 7541 C.4.1)',
    count: 1,
    run: () => void new HpackDecoder(limits).decode(huffman),
  },
  { name: 'check a CONNECT', count: 1, run: () => void parseRequest(fields) },
  { name: 'parse a HEADERS frame', count: 1, run: headers() },
]

function headers(): () => void {
  const frame = encodeFrame(FRAME.headers, FLAG.endHeaders, 1, block)
  const parser = new FrameParser('client', sink, limits)
  const settings = encodeFrame(FRAME.settings, 0, 0)
  parser.feed(settings, 0, settings.length)
  return () => parser.feed(frame, 0, frame.length)
}

/** Nanoseconds a call, over about 50 ms. */
function measure(run: () => void): number {
  let calls = 0
  const startMs = performance.now()
  while (performance.now() - startMs < 50) {
    for (let i = 0; i < 100; i++) run()
    calls += 100
  }
  return ((performance.now() - startMs) * 1e6) / calls
}

const rounds = Number(process.argv[2] ?? 5)
for (const each of cases) {
  measure(each.run)
  const samples = Array.from({ length: rounds }, () => measure(each.run)).toSorted((a, b) => a - b)
  const median = samples[Math.floor(rounds / 2)] ?? 0
  process.stdout.write(`${each.name.padEnd(34)} ${(median / each.count).toFixed(0)} ns\n`)
}
