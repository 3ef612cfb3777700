import { errorText } from '@ambient/lifecycle'
import type { Change, Fault } from '@ambient/collections'
import { describeRef, type FileProblem } from '@ambient/kube'
import type { Logger, ReasonCode } from '@ambient/telemetry'
import type { Condition, ObjectConditions } from './translate/conditions.ts'
import type { MeshConfig } from './translate/config/mesh-config.ts'
import type { MeshOptions } from './translate/mesh-options.ts'
import type { ObjectWarnings } from './translate/object-warnings.ts'

/** A file that cannot be read. */
export function logProblem(logger: Logger, { file, message }: FileProblem): void {
  logger.error(message, { reason: 'MANIFEST_INVALID', file })
}

/** An object that cannot be used. */
export function logFault(logger: Logger, { collection, key, cause, hasLastGood }: Fault): void {
  const message = errorText(cause)
  const inForce = hasLastGood ? 'its last good version stays in force' : 'it was never understood'
  logger.error(`${message}; ${inForce}`, { reason: 'RESOURCE_INVALID', collection, key })
}

/** Something that an object says and that has no effect. */
export function logWarnings(logger: Logger, { before, after }: Change<ObjectWarnings>): void {
  if (after === undefined) return
  for (const { reason, message } of after.warnings) {
    if (before?.warnings.some((was) => was.message === message) === true) continue
    logger.warn(`${describeRef(after.ref)}: ${message}`, { reason })
  }
}

/** A mesh configuration that asks for what only a restart can give. */
export function logMeshConfig(logger: Logger, { after }: Change<MeshConfig>, mesh: MeshOptions): void {
  const wanted = {
    trustDomain: after?.trustDomain ?? mesh.trustDomain,
    rootNamespace: after?.rootNamespace ?? mesh.rootNamespace,
  }
  for (const name of ['trustDomain', 'rootNamespace'] as const) {
    if (wanted[name] === mesh[name]) continue
    const message = `mesh config: ${name} ${mesh[name]} stays in force until istiod is started again; it is now ${wanted[name]}`
    logger.warn(message, { reason: 'CONFIG_INVALID' })
  }
}

/** What is amiss with an object, as its status says it. One that cannot be used at all is a fault, and is logged as such. */
export function logConditions(logger: Logger, { before, after }: Change<ObjectConditions>): void {
  for (const condition of after?.conditions ?? []) {
    const reason = reasonToLog(condition)
    const was = before?.conditions.find(({ type }) => type === condition.type)
    if (after === undefined || reason === undefined || was?.message === condition.message) continue
    logger.warn(`${describeRef(after.ref)}: ${condition.message}`, { reason })
  }
}

function reasonToLog({ type, status, reason }: Condition): ReasonCode | undefined {
  if (reason === 'UnsupportedValue') return 'POLICY_UNSUPPORTED'
  return type === 'istio.io/WaypointBound' && status === 'False' ? 'WAYPOINT_NOT_BOUND' : undefined
}
