import type { Change, Fault } from '@ambient/collections'
import { describeRef, type FileProblem } from '@ambient/kube'
import type { Logger } from '@ambient/telemetry'
import type { ObjectConditions } from './translate/conditions.ts'
import type { MeshConfig } from './translate/config/mesh-config.ts'
import type { MeshOptions } from './translate/mesh-options.ts'

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

/** An object that is taken otherwise than it says. One that cannot be used at all is a fault, and is logged as such. */
export function logConditions(logger: Logger, { before, after }: Change<ObjectConditions>): void {
  if (after === undefined) return
  for (const { type, reason, message } of after.conditions) {
    const was = before?.conditions.find((condition) => condition.type === type)
    if (reason !== 'UnsupportedValue' || was?.message === message) continue
    logger.warn(`${describeRef(after.ref)}: ${message}`, { reason: 'POLICY_UNSUPPORTED' })
  }
}
