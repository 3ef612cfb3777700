import { CodedError } from '@ambient/lifecycle'

export const labErrorCodes = [
  'REQUIREMENT_MISSING',
  'COMMAND_FAILED',
  'TIMEOUT',
  'NOT_FOUND',
  'MANIFEST_INVALID',
  'CAPTURE_UNPROVEN',
  'LEFT_BEHIND',
] as const
export type LabErrorCode = (typeof labErrorCodes)[number]

/** Every error this package throws on purpose; switch on `code`, never on `message`. */
export class LabError extends CodedError<LabErrorCode> {}
