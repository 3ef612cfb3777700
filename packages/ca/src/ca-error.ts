import { CodedError } from '@ambient/lifecycle'

export const caErrorCodes = [
  'CSR_INVALID',
  'CERTIFICATE_TTL_INVALID',
  'CA_ROOT_INVALID',
  'CA_EXPIRED',
] as const
export type CaErrorCode = (typeof caErrorCodes)[number]

/** The codes of the server's side are rows of the reason table. */
export class CaError extends CodedError<CaErrorCode> {}
