import { CodedError } from '@ambient/lifecycle'

export type SvidErrorCode = 'IDENTITY_UNAVAILABLE' | 'LIMIT_REACHED'

export class SvidError extends CodedError<SvidErrorCode> {}
