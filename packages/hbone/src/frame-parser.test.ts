import { describe, expect, test } from 'vitest'
import { afterSettings, recordFrames } from '../test/record-frames.ts'
import { seededRandom } from '../test/seeded-random.ts'
import {
  encodeFrame,
  goawayFrame,
  pingFrame,
  rstStreamFrame,
  settingsAckFrame,
  settingsFrame,
  windowUpdateFrame,
} from './encode-frame.ts'
import { FLAG, FRAME, H2_CODE, PREFACE } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const zeros = (length: number): Uint8Array => new Uint8Array(length)

const conversation = new Uint8Array(
  Buffer.concat([
    PREFACE,
    settingsFrame([
      [4, 100],
      [5, 16384],
    ]),
    settingsAckFrame(),
    encodeFrame(FRAME.headers, 0, 1, bytes(1, 2)),
    encodeFrame(FRAME.continuation, FLAG.endHeaders, 1, bytes(3, 4)),
    encodeFrame(
      FRAME.headers,
      FLAG.padded | FLAG.priority | FLAG.endHeaders | FLAG.endStream,
      3,
      bytes(2, 0, 0, 0, 0, 9, 7, 8, 0, 0),
    ),
    encodeFrame(FRAME.data, 0, 1, Buffer.from('hello')),
    encodeFrame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from('\x03world\0\0\0')),
    encodeFrame(FRAME.data, FLAG.padded, 1, bytes(0)),
    encodeFrame(0x20, 0, 5, Buffer.from('grease')),
    encodeFrame(FRAME.priority, 0, 5, zeros(5)),
    pingFrame(zeros(8).fill(7)),
    windowUpdateFrame(0, 5),
    windowUpdateFrame(1, 0x7fffffff),
    rstStreamFrame(1, 8),
    goawayFrame(7, 2),
    encodeFrame(FRAME.data, FLAG.endStream, 3),
  ]),
)

const said = [
  'settings 4,100,5,16384',
  'settings ack',
  'headers 1 01020304 false',
  'headers 3 0708 true',
  'data 1 5 hello pad=0 end=false',
  'data 1 5 world pad=4 end=true',
  'data 1 0  pad=1 end=false',
  'ignored 32',
  'ignored 2',
  'ping 0707070707070707 false',
  'window 0 5',
  'window 1 2147483647',
  'rst 1 8',
  'goaway 7 2',
  'data 3 0  pad=0 end=true',
]

describe('FrameParser', () => {
  test('feed() says what a conversation holds', () => {
    expect(recordFrames(conversation).log).toEqual(said)
  })

  test('feed() says the same wherever the bytes are cut', () => {
    for (let cut = 1; cut < conversation.length; cut++)
      expect(recordFrames(conversation, [cut]).log).toEqual(said)
  })

  test('feed() says the same for single bytes', () => {
    const cuts = Array.from({ length: conversation.length - 1 }, (_, i) => i + 1)
    expect(recordFrames(conversation, cuts).log).toEqual(said)
  })

  test('feed() answers 100,000 mutations with the same events however cut, or with H2ConnectionError', () => {
    const random = seededRandom(20_261_124)
    const changed: string[] = []
    let refused = 0
    for (let i = 0; i < 100_000; i++) {
      const input = new Uint8Array(conversation)
      for (let k = 0; k <= i % 4; k++) {
        input[PREFACE.length + random.below(input.length - PREFACE.length)] = random.below(256)
      }
      const whole = outcome(input, [])
      if (whole.refused !== undefined) refused++
      const cut = outcome(input, [random.below(input.length)])
      if (cut.refused !== whole.refused || cut.events !== whole.events)
        changed.push(Buffer.from(input).toString('hex'))
    }
    expect(changed).toEqual([])
    expect(refused).toBeGreaterThan(10_000)
  })

  test.each([
    {
      name: 'a block of 17 CONTINUATION frames',
      frames: [
        encodeFrame(FRAME.headers, 0, 1, zeros(1)),
        ...Array.from({ length: 17 }, () => encodeFrame(FRAME.continuation, 0, 1)),
      ],
      code: H2_CODE.enhanceYourCalm,
    },
    {
      name: 'a header block of 80,000 bytes',
      frames: [
        encodeFrame(FRAME.headers, 0, 1, zeros(40_000)),
        encodeFrame(FRAME.continuation, 0, 1, zeros(40_000)),
      ],
      code: H2_CODE.enhanceYourCalm,
    },
    {
      name: 'another frame inside a header block',
      frames: [encodeFrame(FRAME.headers, 0, 1, zeros(1)), pingFrame(zeros(8))],
      code: H2_CODE.protocolError,
    },
    {
      name: 'an unknown frame inside a header block',
      frames: [encodeFrame(FRAME.headers, 0, 1, zeros(1)), encodeFrame(0x20, 0, 1)],
      code: H2_CODE.protocolError,
    },
    {
      name: 'CONTINUATION without HEADERS',
      frames: [encodeFrame(FRAME.continuation, 0, 1)],
      code: H2_CODE.protocolError,
    },
    {
      name: 'a frame over the size limit',
      frames: [encodeFrame(FRAME.data, 0, 1, zeros((1 << 20) + 1))],
      code: H2_CODE.frameSizeError,
    },
    { name: 'DATA on stream 0', frames: [encodeFrame(FRAME.data, 0, 0)], code: H2_CODE.protocolError },
    { name: 'HEADERS on stream 0', frames: [encodeFrame(FRAME.headers, 4, 0)], code: H2_CODE.protocolError },
    {
      name: 'PING on a stream',
      frames: [encodeFrame(FRAME.ping, 0, 1, zeros(8))],
      code: H2_CODE.protocolError,
    },
    { name: 'RST_STREAM on stream 0', frames: [rstStreamFrame(0, 8)], code: H2_CODE.protocolError },
    {
      name: 'padding longer than its DATA frame',
      frames: [encodeFrame(FRAME.data, FLAG.padded, 1, bytes(9, 1))],
      code: H2_CODE.protocolError,
    },
    {
      name: 'a padded DATA frame of no bytes',
      frames: [encodeFrame(FRAME.data, FLAG.padded, 1)],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'padding longer than its HEADERS frame',
      frames: [encodeFrame(FRAME.headers, FLAG.padded, 1, bytes(9, 1))],
      code: H2_CODE.protocolError,
    },
    {
      name: 'HEADERS too short for its priority',
      frames: [encodeFrame(FRAME.headers, FLAG.priority, 1, zeros(4))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'a stream that depends on itself',
      frames: [encodeFrame(FRAME.priority, 0, 1, bytes(0, 0, 0, 1, 0))],
      code: H2_CODE.protocolError,
    },
    {
      name: 'a PING of 7 bytes',
      frames: [encodeFrame(FRAME.ping, 0, 0, zeros(7))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'a WINDOW_UPDATE of 3 bytes',
      frames: [encodeFrame(FRAME.windowUpdate, 0, 0, zeros(3))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'a GOAWAY of 7 bytes',
      frames: [encodeFrame(FRAME.goaway, 0, 0, zeros(7))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'SETTINGS of 7 bytes',
      frames: [encodeFrame(FRAME.settings, 0, 0, zeros(7))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'SETTINGS of 16,386 bytes',
      frames: [encodeFrame(FRAME.settings, 0, 0, zeros(16_386))],
      code: H2_CODE.enhanceYourCalm,
    },
    {
      name: 'an acknowledgement with settings',
      frames: [encodeFrame(FRAME.settings, FLAG.ack, 0, zeros(6))],
      code: H2_CODE.frameSizeError,
    },
    {
      name: 'PUSH_PROMISE',
      frames: [encodeFrame(FRAME.pushPromise, 0, 1, zeros(4))],
      code: H2_CODE.protocolError,
    },
  ])('feed() refuses $name', ({ frames, code }) => {
    expect(refusalOf(afterSettings(...frames))).toBe(code)
  })

  test('feed() takes a block of 16 CONTINUATION frames', () => {
    const frames = Array.from({ length: 16 }, (_, i) =>
      encodeFrame(FRAME.continuation, i === 15 ? FLAG.endHeaders : 0, 1, bytes(i)),
    )
    const { log } = recordFrames(
      afterSettings(encodeFrame(FRAME.headers, 0, 1, bytes(0xff)), ...frames),
      [],
      'client',
    )
    expect(log[1]).toBe('headers 1 ff000102030405060708090a0b0c0d0e0f false')
  })

  test('feed() refuses a peer that does not begin with SETTINGS', () => {
    expect(refusalOf(pingFrame(zeros(8)))).toBe(H2_CODE.protocolError)
    expect(refusalOf(settingsAckFrame())).toBe(H2_CODE.protocolError)
  })

  test('feed() refuses a client that speaks something else', () => {
    expect(() => recordFrames(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toThrow(H2ConnectionError)
  })
})

function outcome(
  input: Uint8Array,
  cuts: readonly number[],
): { events: string; refused: number | undefined } {
  try {
    return { events: recordFrames(input, cuts).log.join('\n'), refused: undefined }
  } catch (cause) {
    if (!(cause instanceof H2ConnectionError)) throw cause
    return { events: '', refused: cause.h2Code }
  }
}

function refusalOf(input: Uint8Array): number | undefined {
  try {
    recordFrames(input, [], 'client')
    return undefined
  } catch (cause) {
    return cause instanceof H2ConnectionError ? cause.h2Code : undefined
  }
}
