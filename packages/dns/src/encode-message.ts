import { ipToBytes } from '@ambient/model'
import { MAX_MESSAGE_BYTES, recordTypes } from './constants.ts'
import { DnsError } from './dns-error.ts'
import type { DnsHeader, DnsMessage, DnsName, DnsQuestion, DnsRecord, Edns } from './dns-message.ts'
import { nameLabels } from './name-labels.ts'

/** An OPT record without options. */
const OPT_BYTES = 11
/** A pointer has 14 bits. */
const MAX_POINTER = 0x3fff

/**
 * Writes a message. What does not fit in `maxBytes` is left out from the end, whole records at a time, and the message is
 * marked as truncated; header, questions and OPT are always there.
 *
 * @throws {DnsError} `DNS_NAME_INVALID` for a name that is none, `DNS_MESSAGE_INVALID` for an address that is none.
 */
export function encodeMessage(message: DnsMessage, maxBytes: number = MAX_MESSAGE_BYTES): Uint8Array {
  const writer = new MessageWriter()
  writer.skipHeader()
  for (const question of message.questions) writer.question(question)
  const room = maxBytes - (message.edns === undefined ? 0 : OPT_BYTES)
  const written = [message.answers, message.authorities, message.additionals].map(
    (records) => records.filter((record) => writer.recordWithin(record, room)).length,
  )
  const wanted = message.answers.length + message.authorities.length + message.additionals.length
  const isCut = written.reduce((sum, count) => sum + count, 0) < wanted
  const [answers = 0, authorities = 0, additionals = 0] = written
  if (message.edns !== undefined) writer.opt(message.edns, message.responseCode)
  writer.header({ ...message, isTruncated: message.isTruncated || isCut }, message.responseCode, [
    message.questions.length,
    answers,
    authorities,
    additionals + (message.edns === undefined ? 0 : 1),
  ])
  return writer.finish()
}

class MessageWriter {
  #bytes = new Uint8Array(512)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  #isFull = false
  /** Where each was written first. */
  readonly #names = new Map<DnsName, number>()

  skipHeader(): void {
    this.#length = 12
  }

  header(header: DnsHeader, responseCode: number, counts: readonly number[]): void {
    const view = this.#view
    view.setUint16(0, header.id)
    view.setUint16(
      2,
      bit(header.isResponse, 0x8000) |
        ((header.opcode & 0xf) << 11) |
        bit(header.isAuthoritative, 0x0400) |
        bit(header.isTruncated, 0x0200) |
        bit(header.recursionDesired, 0x0100) |
        bit(header.recursionAvailable, 0x0080) |
        bit(header.authenticData, 0x0020) |
        bit(header.checkingDisabled, 0x0010) |
        (responseCode & 0xf),
    )
    for (const [index, count] of counts.entries()) view.setUint16(4 + 2 * index, count)
  }

  question({ name, type, class: classNumber }: DnsQuestion): void {
    this.#name(name)
    this.#number16(type)
    this.#number16(classNumber)
  }

  /** Writes the record if it ends before `room`; once one did not, none does. */
  recordWithin(record: DnsRecord, room: number): boolean {
    if (this.#isFull) return false
    const before = this.#length
    this.#record(record)
    if (this.#length <= room) return true
    this.#length = before
    this.#isFull = true
    return false
  }

  opt({ payloadBytes, version, isDnssecOk }: Edns, responseCode: number): void {
    this.#name('')
    this.#number16(recordTypes.OPT)
    this.#number16(payloadBytes)
    this.#number16(((responseCode >> 4) << 8) | version)
    this.#number16(bit(isDnssecOk, 0x8000))
    this.#number16(0)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #record({ name, class: classNumber, ttlSeconds, data }: DnsRecord): void {
    this.#name(name)
    switch (data.kind) {
      case 'address': {
        const bytes = ipToBytes(data.ip)
        if (bytes === undefined)
          throw new DnsError('DNS_MESSAGE_INVALID', `Cannot write DNS record: "${data.ip}" is no address`)
        this.#number16(bytes.length === 4 ? recordTypes.A : recordTypes.AAAA)
        return this.#tail(classNumber, ttlSeconds, () => this.#raw(bytes))
      }
      case 'cname':
        this.#number16(recordTypes.CNAME)
        return this.#tail(classNumber, ttlSeconds, () => this.#name(data.target))
      case 'opaque':
        this.#number16(data.type)
        return this.#tail(classNumber, ttlSeconds, () => this.#raw(data.bytes))
    }
  }

  #tail(classNumber: number, ttlSeconds: number, writeData: () => void): void {
    this.#number16(classNumber)
    this.#number16(ttlSeconds >>> 16)
    this.#number16(ttlSeconds & 0xffff)
    const lengthAt = this.#length
    this.#number16(0)
    writeData()
    this.#view.setUint16(lengthAt, this.#length - lengthAt - 2)
  }

  /** A name that is there already is pointed to: the records of an answer share one or two. */
  #name(name: DnsName): void {
    const before = this.#names.get(name)
    if (before !== undefined) return this.#number16(0xc000 | before)
    if (name !== '' && this.#length <= MAX_POINTER) this.#names.set(name, this.#length)
    for (const label of nameLabels(name)) {
      this.#raw(Uint8Array.of(label.length))
      this.#raw(label)
    }
    this.#raw(Uint8Array.of(0))
  }

  #number16(number: number): void {
    this.#grow(2)
    this.#view.setUint16(this.#length, number)
    this.#length += 2
  }

  #raw(bytes: Uint8Array): void {
    this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #grow(by: number): void {
    if (this.#length + by <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + by))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

function bit(isSet: boolean, mask: number): number {
  return isSet ? mask : 0
}
