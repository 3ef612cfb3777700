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
] as const
export type KubeErrorCode = (typeof kubeErrorCodes)[number]

/** Every error this package throws on purpose; switch on `code`, never on `message`. */
export class KubeError extends CodedError<KubeErrorCode> {}
