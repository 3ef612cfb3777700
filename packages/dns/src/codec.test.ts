import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CLASS_IN, recordTypes, responseCodes } from './constants.ts'
import { decodeHead, decodeHeader, decodeMessage } from './decode-message.ts'
import { DnsError } from './dns-error.ts'
import type { DnsMessage, DnsName, DnsRecord, Edns } from './dns-message.ts'
import { encodeMessage } from './encode-message.ts'

const plain: DnsMessage = {
  id: 0x1234,
  isResponse: false,
  opcode: 0,
  isAuthoritative: false,
  isTruncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  responseCode: responseCodes.noError,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
  edns: undefined,
}

const address = (name: DnsName, ip: string): DnsRecord => ({
  name,
  class: CLASS_IN,
  ttlSeconds: 30,
  data: { kind: 'address', ip },
})

const answer: DnsMessage = {
  ...plain,
  isResponse: true,
  isAuthoritative: true,
  recursionAvailable: true,
  questions: [{ name: 'web.shop.svc.cluster.local', type: recordTypes.A, class: CLASS_IN }],
  answers: [
    {
      name: 'web.shop.svc.cluster.local',
      class: CLASS_IN,
      ttlSeconds: 30,
      data: { kind: 'cname', target: 'web.shop' },
    },
    address('web.shop', '10.96.0.80'),
    address('web.shop', 'fd00::80'),
  ],
  authorities: [
    {
      name: '',
      class: CLASS_IN,
      ttlSeconds: 5,
      data: { kind: 'opaque', type: 16, bytes: Uint8Array.of(1, 97) },
    },
  ],
  edns: { payloadBytes: 1232, version: 0, isDnssecOk: true },
}

// Labels of any bytes, as text; letters often, so that names meet.
const label = fc.oneof(
  fc.stringMatching(/^[a-z0-9_-]{1,12}$/),
  fc
    .uint8Array({ minLength: 1, maxLength: 5 })
    .map((bytes) =>
      [...bytes]
        .map((byte) =>
          byte <= 0x20 || byte >= 0x7f
            ? `\\${String(byte).padStart(3, '0')}`
            : byte === 0x2e || byte === 0x5c
              ? `\\${String.fromCharCode(byte)}`
              : String.fromCharCode(byte),
        )
        .join(''),
    ),
)
const name = fc.array(label, { maxLength: 6 }).map((labels) => labels.join('.'))
const number16 = fc.integer({ min: 0, max: 0xffff })
const data: fc.Arbitrary<DnsRecord['data']> = fc.oneof(
  fc
    .oneof(fc.ipV4(), fc.constantFrom('fd00::1', '2001:db8::2', '::1'))
    .map((ip) => ({ kind: 'address' as const, ip })),
  name.map((target) => ({ kind: 'cname' as const, target })),
  fc.record({
    kind: fc.constant('opaque' as const),
    type: number16.filter((type) => ![1, 5, 28, 41].includes(type)),
    bytes: fc.uint8Array({ maxLength: 40 }),
  }),
)
const record: fc.Arbitrary<DnsRecord> = fc.record({
  name,
  class: number16,
  ttlSeconds: fc.integer({ min: 0, max: 0xffffffff }),
  data,
})
const edns: fc.Arbitrary<Edns> = fc.record({
  payloadBytes: number16,
  version: fc.integer({ min: 0, max: 255 }),
  isDnssecOk: fc.boolean(),
})
const records = fc.array(record, { maxLength: 4 })
const message: fc.Arbitrary<DnsMessage> = fc
  .record({
    id: number16,
    isResponse: fc.boolean(),
    opcode: fc.integer({ min: 0, max: 15 }),
    isAuthoritative: fc.boolean(),
    isTruncated: fc.boolean(),
    recursionDesired: fc.boolean(),
    recursionAvailable: fc.boolean(),
    authenticData: fc.boolean(),
    checkingDisabled: fc.boolean(),
    responseCode: fc.integer({ min: 0, max: 4095 }),
    questions: fc.array(fc.record({ name, type: number16, class: number16 }), { maxLength: 2 }),
    answers: records,
    authorities: records,
    additionals: records,
    edns: fc.option(edns, { nil: undefined }),
  })
  .map((one) => (one.edns === undefined ? { ...one, responseCode: one.responseCode & 0xf } : one))

describe('encodeMessage()', () => {
  test('writes a query byte for byte', () => {
    const query = { ...plain, questions: [{ name: 'a.bc', type: recordTypes.A, class: CLASS_IN }] }
    expect(hex(encodeMessage(query))).toBe('12340100000100000000000001610262630000010001')
  })

  test('points to a name that was written before', () => {
    const bytes = encodeMessage({
      ...plain,
      questions: answer.questions,
      answers: [address('web.shop.svc.cluster.local', '10.0.0.1')],
    })
    expect(hex(bytes)).toMatch(/c00c000100010000001e00040a000001$/)
  })

  test('leaves out the records that do not fit, says so, and keeps question and OPT', () => {
    const many = Array.from({ length: 100 }, (_, i) => address('web.shop', `10.0.0.${i}`))
    const bytes = encodeMessage({ ...answer, answers: many }, 512)
    const decoded = decodeMessage(bytes)
    expect(bytes.length).toBeLessThanOrEqual(512)
    expect(decoded).toMatchObject({ isTruncated: true, questions: answer.questions, edns: answer.edns })
    expect(decoded.answers).toEqual(many.slice(0, decoded.answers.length))
    expect(decoded.answers.length).toBeGreaterThan(25)
  })

  test.each([
    'a..b',
    '.',
    'a'.repeat(64),
    Array.from({ length: 5 }, () => 'b'.repeat(60)).join('.'),
    'a\\',
    'ä€',
    '\\300',
  ])('refuses the name %j', (wrong) => {
    expect(() => encodeMessage({ ...plain, questions: [{ name: wrong, type: 1, class: 1 }] })).toThrow(
      DnsError,
    )
  })

  test('refuses an address that is none', () => {
    expect(() => encodeMessage({ ...plain, answers: [address('a', 'web')] })).toThrow(DnsError)
  })
})

describe('decodeMessage()', () => {
  test('gives back what was encoded, for any message', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(decodeMessage(encodeMessage(one))).toEqual(one)
      }),
    )
  })

  test('refuses every cut', () => {
    const bytes = encodeMessage(answer)
    for (let cut = 0; cut < bytes.length; cut++)
      expect(() => decodeMessage(bytes.subarray(0, cut))).toThrow(DnsError)
  })

  test('leaves the bytes behind it alone', () => {
    expect(decodeMessage(Uint8Array.of(...encodeMessage(answer), 1, 2, 3))).toEqual(answer)
  })

  test('throws DnsError and nothing else when bits are wrong, whatever the message', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
        (one, flips) => {
          const bytes = encodeMessage(one)
          for (const [at, mask] of flips) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask
          expect(outcome(bytes)).not.toBe('other error')
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('reads what dnsmasq 2.90 wrote: an alias, its address, and EDNS', () => {
    const captured = [
      '123485800001000200000001',
      '05616c6961730473686f700373766307636c7573746572056c6f63616c0000010001',
      'c00c0005000100000001001c037765620473686f700373766307636c7573746572056c6f63616c00',
      'c03a000100010000000100040a600050',
      '00002904d0000080000000',
    ]
    expect(decodeMessage(Buffer.from(captured.join(''), 'hex'))).toEqual({
      ...answer,
      questions: [{ name: 'alias.shop.svc.cluster.local', type: recordTypes.A, class: CLASS_IN }],
      answers: [
        {
          name: 'alias.shop.svc.cluster.local',
          class: CLASS_IN,
          ttlSeconds: 1,
          data: { kind: 'cname', target: 'web.shop.svc.cluster.local' },
        },
        { ...address('web.shop.svc.cluster.local', '10.96.0.80'), ttlSeconds: 1 },
      ],
      authorities: [],
    })
  })

  test.each([
    { name: 'a pointer to itself', hex: 'c00c' },
    { name: 'a pointer forwards', hex: 'c010' },
    { name: 'two pointers in a circle', hex: '0161c00cc00e' },
    { name: 'a label of an unknown kind', hex: '8001' },
    { name: 'a name of 256 bytes', hex: `${`3f${'61'.repeat(63)}`.repeat(4)}00` },
  ])('refuses $name', ({ hex: wrong }) => {
    const bytes = Buffer.from(`123401000001000000000000${wrong}00010001`, 'hex')
    expect(() => decodeMessage(bytes)).toThrow(DnsError)
  })

  test('reads compressed names wherever they point, and the case of letters', () => {
    // Question "Web.shop"; the answer's name is "x" before its "shop", by a pointer into the middle.
    const parts = [
      '123481800001000100000000',
      '035765620473686f700000010001',
      '0178c010',
      '00010001',
      '0000003c00040a000007',
    ]
    const bytes = Buffer.from(parts.join(''), 'hex')
    expect(decodeMessage(bytes)).toMatchObject({
      questions: [{ name: 'Web.shop' }],
      answers: [{ name: 'x.shop', ttlSeconds: 60, data: { kind: 'address', ip: '10.0.0.7' } }],
    })
  })

  test('tells a dot within a label from the dot between two', () => {
    const bytes = Buffer.from('12340100000100000000000003612e620000010001', 'hex')
    expect(decodeMessage(bytes).questions[0]?.name).toBe('a\\.b')
  })

  test('refuses two OPT records', () => {
    const opt = '0000290200000000000000'
    expect(() => decodeMessage(Buffer.from(`123401000000000000000002${opt}${opt}`, 'hex'))).toThrow(DnsError)
  })

  test('an AAAA of an IPv4-mapped address stays what it is', () => {
    const mapped = '00000000000000000000ffff0a000001'
    const bytes = Buffer.from(`12348100000000010000000000001c0001000000010010${mapped}`, 'hex')
    expect(decodeMessage(bytes).answers[0]?.data).toMatchObject({ kind: 'opaque', type: recordTypes.AAAA })
  })
})

describe('decodeHead()', () => {
  test('reads what stands before records that it does not look at', () => {
    const bytes = encodeMessage(answer).subarray(0, 12 + 28 + 4)
    expect(decodeHead(bytes)).toMatchObject({ id: answer.id, questions: answer.questions, answerCount: 3 })
    expect(() => decodeMessage(bytes)).toThrow(DnsError)
  })

  test('decodeHeader() needs twelve bytes', () => {
    const bytes = encodeMessage(plain)
    expect(decodeHeader(bytes)).toMatchObject({ id: plain.id, recursionDesired: true })
    expect(() => decodeHeader(bytes.subarray(0, 11))).toThrow(DnsError)
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function outcome(input: Uint8Array): 'read' | 'refused' | 'other error' {
  try {
    decodeMessage(input)
    return 'read'
  } catch (cause) {
    return cause instanceof DnsError ? 'refused' : 'other error'
  }
}
