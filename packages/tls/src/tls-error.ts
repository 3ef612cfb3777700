import { CodedError } from '@ambient/lifecycle'

export type TlsErrorCode = 'OPENSSL_UNUSABLE' | 'SVID_UNUSABLE' | 'CRL_UNUSABLE' | 'TLS_SETUP_FAILED'

export class TlsError extends CodedError<TlsErrorCode> {}
