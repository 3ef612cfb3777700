/** Messages over TCP, each behind its length in two bytes (RFC 1035 section 4.2.2, RFC 7766 section 8). */
import { MAX_MESSAGE_BYTES } from './constants.ts'
import { DnsError } from './dns-error.ts'

export type Decoded<T> =
  /** In total, counted from the front of the input. */
  | { readonly kind: 'need'; readonly bytes: number }
  | { readonly kind: 'done'; readonly value: T; readonly consumed: number }

const LENGTH_BYTES = 2

/**
 * Takes one message from the front of `input`.
 *
 * @param input Everything received and not yet consumed. The message is a view of it.
 * @returns `need` with the total bytes required so far, or the message and how many bytes it took.
 */
export function decodeStreamFrame(input: Uint8Array): Decoded<Uint8Array> {
  const [high, low] = input
  if (high === undefined || low === undefined) return { kind: 'need', bytes: LENGTH_BYTES }
  const end = LENGTH_BYTES + ((high << 8) | low)
  if (input.length < end) return { kind: 'need', bytes: end }
  return { kind: 'done', value: input.subarray(LENGTH_BYTES, end), consumed: end }
}

/** @throws {DnsError} `DNS_MESSAGE_INVALID` for a message that its length field cannot count. */
export function encodeStreamFrame(message: Uint8Array): Uint8Array {
  if (message.length > MAX_MESSAGE_BYTES)
    throw new DnsError('DNS_MESSAGE_INVALID', `Cannot frame DNS message of ${message.length} bytes`)
  const frame = new Uint8Array(LENGTH_BYTES + message.length)
  new DataView(frame.buffer).setUint16(0, message.length)
  frame.set(message, LENGTH_BYTES)
  return frame
}
