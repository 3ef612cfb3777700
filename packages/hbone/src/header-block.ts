import { H2_CODE } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'

export interface HeaderBlockLimits {
  readonly maxHeaderBlockBytes: number
  readonly maxContinuations: number
}

/** A header block that came without END_HEADERS: its parts, until the last CONTINUATION. */
export class HeaderBlock {
  readonly streamId: number
  readonly endStream: boolean
  readonly #limits: HeaderBlockLimits
  readonly #parts: Uint8Array[]
  #bytes: number
  #continuations = 0

  constructor(streamId: number, endStream: boolean, first: Uint8Array, limits: HeaderBlockLimits) {
    this.streamId = streamId
    this.endStream = endStream
    this.#limits = limits
    this.#parts = [first]
    this.#bytes = first.length
  }

  /**
   * To be asked before anything is allocated for the next part.
   *
   * @throws {H2ConnectionError} ENHANCE_YOUR_CALM when the block has become too much.
   */
  expect(bytes: number): void {
    this.#bytes += bytes
    checkBlockBytes(this.#bytes, this.#limits)
    if (++this.#continuations > this.#limits.maxContinuations) {
      throw new H2ConnectionError(
        H2_CODE.enhanceYourCalm,
        `More than ${this.#limits.maxContinuations} CONTINUATION frames`,
      )
    }
  }

  append(part: Uint8Array): void {
    this.#parts.push(part)
  }

  join(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat(this.#parts))
  }
}

/** @throws {H2ConnectionError} ENHANCE_YOUR_CALM */
export function checkBlockBytes(bytes: number, limits: HeaderBlockLimits): void {
  if (bytes <= limits.maxHeaderBlockBytes) return
  throw new H2ConnectionError(H2_CODE.enhanceYourCalm, `Header block of ${bytes} bytes`)
}
