import { HpackError } from './hbone-error.ts'
import type { HeaderField } from './header-field.ts'
import { decodeHuffman } from './hpack-huffman.ts'
import { STATIC_TABLE } from './hpack-static-table.ts'

export interface HpackLimits {
  readonly headerTableBytes: number
  readonly maxHeaderListBytes: number
}

export interface DecodedHeaders {
  readonly fields: readonly HeaderField[]
  /** Fields beyond the limit were dropped. */
  readonly isTooLarge: boolean
}

/** What RFC 7541 counts for an entry besides its text. */
const ENTRY_OVERHEAD = 32
/** Four continuation bytes: 28 bits, more than any length or index here may be. */
const MAX_SHIFT = 21

/**
 * HPACK (RFC 7541), complete: a peer may use the default 4096-byte table before it has seen our SETTINGS, so leaving the
 * table out is not an option. One decoder a connection.
 */
export class HpackDecoder {
  readonly #limits: HpackLimits
  /** Newest first. */
  readonly #table: HeaderField[] = []
  #tableBytes = 0
  #tableLimit: number
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  #at = 0

  constructor(limits: HpackLimits) {
    this.#limits = limits
    this.#tableLimit = limits.headerTableBytes
  }

  /**
   * Decodes one complete header block. The whole block is always read, or the table would be out of step with the peer's.
   *
   * @throws {HpackError} on any violation; the connection must then end with COMPRESSION_ERROR.
   */
  decode(block: Uint8Array<ArrayBuffer>): DecodedHeaders {
    this.#bytes = block
    this.#at = 0
    const fields: HeaderField[] = []
    let listBytes = 0
    let sawField = false
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0
      if ((first & 0xe0) === 0x20) {
        if (sawField) throw new HpackError('Cannot resize the header table after a field')
        this.#resize(this.#readInteger(5))
        continue
      }
      sawField = true
      const field = this.#readField(first)
      listBytes += sizeOf(field)
      if (listBytes <= this.#limits.maxHeaderListBytes) fields.push(field)
    }
    return { fields, isTooLarge: listBytes > this.#limits.maxHeaderListBytes }
  }

  #readField(first: number): HeaderField {
    if (first & 0x80) return this.#lookUp(this.#readInteger(7))
    const isIndexed = (first & 0x40) !== 0
    const nameIndex = this.#readInteger(isIndexed ? 6 : 4)
    const name = nameIndex === 0 ? this.#readString() : this.#lookUp(nameIndex).name
    const field = { name, value: this.#readString() }
    if (isIndexed) this.#insert(field)
    return field
  }

  #lookUp(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table[index - STATIC_TABLE.length - 1]
    if (field === undefined) throw new HpackError(`Cannot find header table index ${index}`)
    return field
  }

  #insert(field: HeaderField): void {
    const bytes = sizeOf(field)
    this.#evictTo(this.#tableLimit - bytes)
    // Larger than the whole table: it is emptied, and that is not an error.
    if (bytes > this.#tableLimit) return
    this.#table.unshift(field)
    this.#tableBytes += bytes
  }

  #resize(bytes: number): void {
    if (bytes > this.#limits.headerTableBytes) {
      throw new HpackError(
        `Cannot grow the header table to ${bytes} of ${this.#limits.headerTableBytes} bytes`,
      )
    }
    this.#tableLimit = bytes
    this.#evictTo(bytes)
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > Math.max(0, bytes)) {
      const oldest = this.#table.pop()
      if (oldest === undefined) return
      this.#tableBytes -= sizeOf(oldest)
    }
  }

  #readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = this.#readByte() & mask
    if (value < mask) return value
    for (let shift = 0; shift <= MAX_SHIFT; shift += 7) {
      const byte = this.#readByte()
      value += (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) return value
    }
    throw new HpackError('Cannot decode integer: too long')
  }

  #readString(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#readInteger(7)
    const start = this.#at
    if (start + length > this.#bytes.length)
      throw new HpackError(`Cannot read string of ${length} bytes: block ends`)
    this.#at = start + length
    if (isHuffman) return decodeHuffman(this.#bytes, start, length)
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString('latin1')
  }

  #readByte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new HpackError('Cannot read header block: ends early')
    return byte
  }
}

function sizeOf(field: HeaderField): number {
  return field.name.length + field.value.length + ENTRY_OVERHEAD
}
