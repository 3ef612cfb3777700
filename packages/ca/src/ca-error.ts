import { CodedError } from '@ambient/lifecycle'

export const caErrorCodes = ['CSR_INVALID', 'CERTIFICATE_INVALID', 'CA_STATE_INVALID'] as const
export type CaErrorCode = (typeof caErrorCodes)[number]

export class CaError extends CodedError<CaErrorCode> {}
