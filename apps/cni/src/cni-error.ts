import { errorText, CodedError } from '@ambient/lifecycle'
import type { ControlReasonCode } from '@ambient/telemetry'

/** Every error the plugin's agent throws on purpose; the codes are rows of the mesh's one table of reasons. */
export class CniError extends CodedError<ControlReasonCode> {}

/** The text of whatever was thrown, for logs, annotations and CNI answers. */
export function messageOf(cause: unknown): string {
  if (cause instanceof CniError) return `${cause.code}: ${cause.message}`
  return errorText(cause)
}

/** Whether ztunnel is why a pod is not in the mesh. */
export function isZdsFailure(cause: unknown): boolean {
  return cause instanceof CniError && cause.code.startsWith('ZDS_')
}
