import type { Change, Fault } from '@ambient/collections'
import type { FileProblem } from '@ambient/kube'
import type { Logger } from '@ambient/telemetry'
import type { ConvertedPolicy } from './translate/policies/convert-authorization-policy.ts'

/** A file that cannot be read. */
export function logProblem(logger: Logger, { file, message }: FileProblem): void {
  logger.error(message, { reason: 'MANIFEST_INVALID', file })
}

/** An object that cannot be used. */
export function logFault(logger: Logger, { collection, key, cause, hasLastGood }: Fault): void {
  const message = cause instanceof Error ? cause.message : String(cause)
  const inForce = hasLastGood ? 'its last good version stays in force' : 'it was never understood'
  logger.error(`${message}; ${inForce}`, { reason: 'RESOURCE_INVALID', collection, key })
}

/** A policy of which node proxies enforce something else than it says. */
export function logConversion(logger: Logger, { key, after }: Change<ConvertedPolicy>): void {
  if (after === undefined) return
  if (after.kind === 'not-sent') {
    logger.info(`AuthorizationPolicy ${key} is not sent to node proxies: ${after.reason}`)
  } else if (after.unsupported.length > 0) {
    const what =
      after.policy.action === 'allow'
        ? 'rules that have it allow nothing'
        : 'rules that have it deny without it'
    const message = `AuthorizationPolicy ${key} uses what needs a waypoint (${after.unsupported.join(', ')}); ${what}`
    logger.warn(message, { reason: 'POLICY_UNSUPPORTED' })
  }
}
