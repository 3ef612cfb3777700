import { CodedError } from '@ambient/lifecycle'

export const caClientErrorCodes = ['CERTIFICATE_INVALID'] as const
export type CaClientErrorCode = (typeof caClientErrorCodes)[number]

export class CaClientError extends CodedError<CaClientErrorCode> {}
