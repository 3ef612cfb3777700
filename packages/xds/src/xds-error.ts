import { CodedError, errorText } from '@ambient/lifecycle'

export const xdsErrorCodes = ['RESOURCE_INVALID', 'CONNECT_TIMEOUT'] as const
export type XdsErrorCode = (typeof xdsErrorCodes)[number]

export class XdsError extends CodedError<XdsErrorCode> {}

export function invalid(message: string): XdsError {
  return new XdsError('RESOURCE_INVALID', message)
}

/** What a generated decoder makes of `bytes`. @throws {XdsError} `RESOURCE_INVALID` for bytes that are no such message */
export function decodeWire<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes)
  } catch (cause) {
    throw new XdsError('RESOURCE_INVALID', `Cannot read a message: ${errorText(cause)}`, { cause })
  }
}
