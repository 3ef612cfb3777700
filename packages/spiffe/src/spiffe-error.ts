import { CodedError } from '@ambient/lifecycle'

export type SpiffeErrorCode = 'IDENTITY_INVALID' | 'CERTIFICATE_INVALID'

export class SpiffeError extends CodedError<SpiffeErrorCode> {}
