import { CodedError } from '@ambient/lifecycle'

export const xdsErrorCodes = ['RESOURCE_INVALID', 'CONNECT_TIMEOUT'] as const
export type XdsErrorCode = (typeof xdsErrorCodes)[number]

export class XdsError extends CodedError<XdsErrorCode> {}

export function invalid(message: string): XdsError {
  return new XdsError('RESOURCE_INVALID', message)
}
