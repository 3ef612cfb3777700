import { CodedError } from '@ambient/lifecycle'

export const collectionErrorCodes = ['KEY_TAKEN', 'ORDER_WRONG', 'NO_TRANSACTION'] as const
export type CollectionErrorCode = (typeof collectionErrorCodes)[number]

/** Every error this package throws on purpose; each is a mistake in the program, not in its input. */
export class CollectionError extends CodedError<CollectionErrorCode> {}
