import { DnsError } from './dns-error.ts'
import type { DnsName } from './dns-message.ts'

export interface DecodedName {
  readonly name: DnsName
  /** Where the bytes after the name begin, at the place where the name was read. */
  readonly end: number
}

const MAX_NAME_BYTES = 255
const POINTER = 0xc0

/**
 * Reads a name at `start`, pointers followed. Each pointer must lead to before the place it was found by, so that no
 * message can send us round.
 *
 * @throws {DnsError} `DNS_MESSAGE_INVALID` when it leaves the message, is longer than 255 bytes or goes in a circle.
 * @see RFC 1035 section 4.1.4
 */
export function decodeName(input: Uint8Array, start: number): DecodedName {
  const labels: string[] = []
  let at = start
  let end: number | undefined
  let lowest = start
  let nameBytes = 1
  for (;;) {
    const length = byteAt(input, at)
    if ((length & POINTER) === POINTER) {
      end ??= at + 2
      at = ((length & ~POINTER) << 8) | byteAt(input, at + 1)
      if (at >= lowest) throw invalid('a pointer does not lead backwards')
      lowest = at
      continue
    }
    if ((length & POINTER) !== 0) throw invalid('a label is of an unknown kind')
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 }
    nameBytes += length + 1
    if (nameBytes > MAX_NAME_BYTES) throw invalid(`a name is longer than ${MAX_NAME_BYTES} bytes`)
    if (at + 1 + length > input.length) throw invalid('a label ends early')
    labels.push(labelText(input, at + 1, length))
    at += 1 + length
  }
}

function labelText(input: Uint8Array, start: number, length: number): string {
  let text = ''
  for (let at = start; at < start + length; at++) text += characterText(byteAt(input, at))
  return text
}

function characterText(byte: number): string {
  if (byte <= 0x20 || byte >= 0x7f) return `\\${String(byte).padStart(3, '0')}`
  const character = String.fromCharCode(byte)
  return character === '.' || character === '\\' ? `\\${character}` : character
}

function byteAt(input: Uint8Array, at: number): number {
  const byte = input[at]
  if (byte === undefined) throw invalid('a name ends early')
  return byte
}

function invalid(reason: string): DnsError {
  return new DnsError('DNS_MESSAGE_INVALID', `Cannot read DNS message: ${reason}`)
}
