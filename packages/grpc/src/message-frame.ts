import { gunzipSync } from 'node:zlib'
import { GrpcError, grpcStatus } from './grpc-status.ts'

const PREFIX_BYTES = 5
const GZIP = 1

/** What stands before a message: whether it is compressed, and its length. */
export function messagePrefix(bytes: number, encoding: 'identity' | 'gzip'): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix.writeUInt8(encoding === 'gzip' ? GZIP : 0, 0)
  prefix.writeUInt32BE(bytes, 1)
  return prefix
}

export interface FrameOptions {
  /** Largest message taken, decompressed. */
  readonly maxBytes: number
  /** What compressed messages are compressed with, as the call's headers say. */
  readonly encoding: string
}

/**
 * The messages in a stream of bytes, decompressed.
 *
 * @throws {GrpcError} `resourceExhausted` for one that is too large, `internal` or `unimplemented` for one that cannot be read.
 * @see gRPC doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message
 */
export async function* readMessages(
  chunks: AsyncIterable<Buffer>,
  options: FrameOptions,
): AsyncGenerator<Buffer, void, undefined> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let needBytes = PREFIX_BYTES
  for await (const chunk of chunks) {
    pending.push(chunk)
    pendingBytes += chunk.length
    while (pendingBytes >= needBytes) {
      const bytes = pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending)
      needBytes = PREFIX_BYTES + lengthOf(bytes, options)
      pending = [bytes]
      if (bytes.length < needBytes) break
      yield readMessage(bytes.subarray(0, needBytes), options)
      pending = [bytes.subarray(needBytes)]
      pendingBytes = bytes.length - needBytes
      needBytes = PREFIX_BYTES
    }
  }
  if (pendingBytes > 0) throw new GrpcError(grpcStatus.internal, 'the stream ended within a message')
}

function lengthOf(input: Buffer, { maxBytes }: FrameOptions): number {
  const length = input.readUInt32BE(1)
  if (length > maxBytes) throw tooLarge(length, maxBytes)
  return length
}

function readMessage(frame: Buffer, { maxBytes, encoding }: FrameOptions): Buffer {
  const body = frame.subarray(PREFIX_BYTES)
  const flag = frame.readUInt8(0)
  if (flag === 0) return body
  if (flag !== GZIP) throw new GrpcError(grpcStatus.internal, `a message with the flag ${flag}`)
  if (encoding !== 'gzip')
    throw new GrpcError(grpcStatus.unimplemented, `messages compressed with "${encoding}" are not supported`)
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes })
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge(maxBytes + 1, maxBytes)
    throw new GrpcError(grpcStatus.internal, 'a compressed message that cannot be read', { cause })
  }
}

function tooLarge(bytes: number, maxBytes: number): GrpcError {
  return new GrpcError(
    grpcStatus.resourceExhausted,
    `a message of ${bytes} bytes or more: at most ${maxBytes} are taken`,
  )
}
