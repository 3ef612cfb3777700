import type { Workload } from '@ambient/model'
import type { ConnectionAttempt, Decision } from '@ambient/policy'
import { illegalPorts, type TrafficReasonCode } from '@ambient/telemetry'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'

export interface PlaintextAttempt {
  readonly peerIp: string
  readonly destination: { readonly ip: string; readonly port: number }
}

export type PlaintextVerdict =
  | { readonly kind: 'decided'; readonly decision: Decision }
  | { readonly kind: 'reject'; readonly reason: TrafficReasonCode; readonly detail: string }

/** Whether an authenticated peer may reach `local`; the port is the app's, after service ports are resolved. Pure. */
export function authorizeInbound(
  snapshot: MeshSnapshot,
  local: Workload,
  attempt: ConnectionAttempt,
): Decision {
  return snapshot.compiledPoliciesFor(local).decide(attempt)
}

/** Whether somebody without identity may reach `local`. Pure. */
export function authorizePlaintext(
  snapshot: MeshSnapshot,
  local: Workload,
  attempt: PlaintextAttempt,
): PlaintextVerdict {
  const { ip, port } = attempt.destination
  if (illegalPorts.has(port))
    return { kind: 'reject', reason: 'SELF_CALL', detail: 'attempted recursive call to ourselves' }
  const decision = authorizeInbound(snapshot, local, {
    sourceIdentity: undefined,
    sourceIp: attempt.peerIp,
    destinationIp: ip,
    destinationPort: port,
  })
  return { kind: 'decided', decision }
}
