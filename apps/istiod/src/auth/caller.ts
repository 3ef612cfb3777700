import { CodedError } from '@ambient/lifecycle'
import type { SpiffeId } from '@ambient/spiffe'

/** Who called, as a token or a client certificate proves it. */
export interface Caller {
  readonly id: SpiffeId
  readonly namespace: string
  readonly serviceAccount: string
  /** The pod a token is bound to; a certificate is bound to none. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined
  /** The node a token is bound to; older API servers do not say it. */
  readonly node: string | undefined
}

export const authErrorCodes = ['TOKEN_MISSING', 'TOKEN_INVALID'] as const
export type AuthErrorCode = (typeof authErrorCodes)[number]

/** A caller that could not be made out; the codes are rows of the reason table. */
export class AuthError extends CodedError<AuthErrorCode> {}
