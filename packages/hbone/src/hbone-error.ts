import { CodedError } from '@ambient/lifecycle'

export type HboneErrorCode = 'H2_CONNECTION_ERROR' | 'HPACK_INVALID' | 'PROXY_HEADER_INVALID'

/** Base of what this package throws on purpose. */
export class HboneError extends CodedError<HboneErrorCode> {}

/** The connection is beyond repair: GOAWAY with `h2Code`, then close. */
export class H2ConnectionError extends HboneError {
  readonly h2Code: number

  constructor(h2Code: number, message: string) {
    super('H2_CONNECTION_ERROR', message)
    this.h2Code = h2Code
  }
}

/** A header block that is not HPACK: the connection ends with COMPRESSION_ERROR. */
export class HpackError extends HboneError {
  constructor(message: string) {
    super('HPACK_INVALID', message)
  }
}
