import { expect, test } from 'vitest'
import { readPcap, TCP_SYN, tcpStreams } from './pcap-reader.ts'
import type { TcpPacket } from './pcap-reader.ts'

function pcap(frames: readonly Uint8Array[], cut = 0): Uint8Array {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt32LE(1, 20)
  const records = frames.map((bytes) => {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(1_700_000_000, 0)
    record.writeUInt32LE(250_000, 4)
    record.writeUInt32LE(bytes.length - cut, 8)
    record.writeUInt32LE(bytes.length, 12)
    return Buffer.concat([record, bytes.subarray(0, bytes.length - cut)])
  })
  return Buffer.concat([header, ...records])
}

function frame(
  options: {
    payload?: string
    vlan?: boolean
    padding?: number
    protocol?: number
    totalLength?: number
  } = {},
): Buffer {
  const { payload = '', vlan = false, padding = 0, protocol = 6 } = options
  const ethernet = Buffer.from(`ffffffffffff000000000001${vlan ? '81000005' : ''}0800`, 'hex')
  const ip = Buffer.from('4500000000004000400600000af401020af40203', 'hex')
  ip.writeUInt16BE(options.totalLength ?? 40 + payload.length, 2)
  ip.writeUInt8(protocol, 9)
  const tcp = Buffer.from('c3501f9000000064000000005002000000000000', 'hex')
  return Buffer.concat([ethernet, ip, tcp, Buffer.from(payload), Buffer.alloc(padding)])
}

const expected = {
  timestampMs: 1_700_000_000_250,
  source: '10.244.1.2',
  sourcePort: 50_000,
  destination: '10.244.2.3',
  destinationPort: 8080,
  sequence: 100,
  flags: TCP_SYN,
}

test.each([
  { name: 'a packet', bytes: frame({ payload: 'abc' }), payload: 'abc' },
  { name: 'a packet with a VLAN tag', bytes: frame({ payload: 'abc', vlan: true }), payload: 'abc' },
  { name: 'a short packet without its padding', bytes: frame({ padding: 6 }), payload: '' },
  {
    name: 'a packet whose length is left to the card',
    bytes: frame({ payload: 'abc', totalLength: 0 }),
    payload: 'abc',
  },
])('readPcap() yields $name', ({ bytes, payload }) => {
  expect([...readPcap(pcap([bytes]))].map(({ tcp }) => tcp)).toEqual([
    { ...expected, payload: Buffer.from(payload) },
  ])
})

test('readPcap() yields frames that are no TCP too', () => {
  const udp = frame({ protocol: 17 })
  expect([...readPcap(pcap([udp]))]).toEqual([{ bytes: udp, tcp: undefined }])
})

test('readPcap() leaves out a record that is not yet whole, at every cut', () => {
  const file = pcap([frame(), frame({ payload: 'second' })])
  const firstEnds = 24 + 16 + 54
  for (let end = 0; end < file.length; end++)
    expect([...readPcap(file.subarray(0, end))]).toHaveLength(end < firstEnds ? 0 : 1)
})

test.each([
  { name: 'a capture that cut a frame', file: pcap([frame({ payload: 'abc' })], 2) },
  { name: 'another kind of file', file: Buffer.alloc(100, 7) },
])('readPcap() trusts no $name', ({ file }) => {
  expect(() => [...readPcap(file)]).toThrow(expect.objectContaining({ code: 'CAPTURE_UNPROVEN' }))
})

test('tcpStreams() puts segments in order, counts a repeated byte once and lets sequence numbers wrap', () => {
  const at = (sequence: number, payload: string): TcpPacket => ({
    ...expected,
    sequence: sequence >>> 0,
    payload: Buffer.from(payload),
  })
  const start = 0xffff_fffe
  const packets = [
    at(start, 'ab'),
    at(start + 5, 'fg'),
    at(start + 2, 'cde'),
    at(start + 2, 'cde'),
    at(start + 4, 'efgh'),
  ]
  expect(tcpStreams(packets)).toEqual(
    new Map([['10.244.1.2:50000 > 10.244.2.3:8080', Buffer.from('abcdefgh')]]),
  )
})
