import { settingsFrame } from '../src/encode-frame.ts'
import { FrameParser, type FrameSink, type ParserLimits } from '../src/frame-parser.ts'
import { FLAG } from '../src/h2-constants.ts'

export const parserLimits: ParserLimits = {
  maxFrameBytes: 1 << 20,
  maxHeaderBlockBytes: 65536,
  maxContinuations: 16,
}

export interface RecordedFrames {
  readonly log: readonly string[]
  readonly blocks: readonly Uint8Array<ArrayBuffer>[]
}

/** What a parser says about `input`, cut at `cuts`; the payload of a DATA frame joined, so that cuts do not show. */
export function recordFrames(
  input: Uint8Array,
  cuts: readonly number[] = [],
  role: 'client' | 'server' = 'server',
  limits: ParserLimits = parserLimits,
): RecordedFrames {
  const log: string[] = []
  const blocks: Uint8Array<ArrayBuffer>[] = []
  let data = ''
  const sink: FrameSink = {
    onData: (_id, start, end) => void (data += Buffer.from(input.subarray(start, end)).toString('latin1')),
    onDataEnd: (id, payload, padding, flags) => {
      log.push(`data ${id} ${payload} ${data} pad=${padding} end=${(flags & FLAG.endStream) !== 0}`)
      data = ''
    },
    onHeaders: (id, block, endStream) => {
      log.push(`headers ${id} ${Buffer.from(block).toString('hex')} ${endStream}`)
      blocks.push(block)
    },
    onSettings: (values) => void log.push(`settings ${values.join()}`),
    onSettingsAck: () => void log.push('settings ack'),
    onPing: (payload, isAck) => void log.push(`ping ${Buffer.from(payload).toString('hex')} ${isAck}`),
    onRstStream: (id, code) => void log.push(`rst ${id} ${code}`),
    onWindowUpdate: (id, increment) => void log.push(`window ${id} ${increment}`),
    onGoaway: (id, code) => void log.push(`goaway ${id} ${code}`),
    onIgnored: (type) => void log.push(`ignored ${type}`),
  }
  const parser = new FrameParser(role, sink, limits)
  let at = 0
  for (const cut of [...cuts, input.length]) {
    parser.feed(input, at, cut)
    at = cut
  }
  return { log, blocks }
}

/** SETTINGS, as every connection begins, then `frames`. */
export function afterSettings(...frames: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([settingsFrame([]), ...frames]))
}
