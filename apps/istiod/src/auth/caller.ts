import { CodedError } from '@ambient/lifecycle'
import type { SpiffeId } from '@ambient/spiffe'

/** Who called, as the token proves it. */
export interface Caller {
  readonly id: SpiffeId
  readonly namespace: string
  readonly serviceAccount: string
  /** The pod the token is bound to. */
  readonly pod: { readonly name: string; readonly uid: string }
  /** The node the token is bound to; older API servers do not say it. */
  readonly node: string | undefined
}

export const authErrorCodes = ['TOKEN_MISSING', 'TOKEN_INVALID'] as const
export type AuthErrorCode = (typeof authErrorCodes)[number]

/** A caller that could not be made out; the codes are rows of the reason table. */
export class AuthError extends CodedError<AuthErrorCode> {}
