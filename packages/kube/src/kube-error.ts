import { CodedError } from '@ambient/lifecycle'

export const kubeErrorCodes = [
  'YAML_INVALID',
  'OBJECT_INVALID',
  'OBJECT_DUPLICATE',
  'OBJECT_NOT_FOUND',
  'OBJECT_REPLACED',
  'OBJECT_NOT_OWNED',
  'DIRECTORY_UNUSABLE',
  'LOCK_TIMEOUT',
  /** The API server changed the object meanwhile, or it exists already. */
  'API_CONFLICT',
  /** We may not, or nobody knows who we are. */
  'API_REFUSED',
  /** The API server cannot be reached, or is too busy, after several attempts. */
  'API_UNAVAILABLE',
  /** The history asked for is no longer there: list again. */
  'API_EXPIRED',
] as const
export type KubeErrorCode = (typeof kubeErrorCodes)[number]

/** Every error this package throws on purpose; switch on `code`, never on `message`. */
export class KubeError extends CodedError<KubeErrorCode> {}
