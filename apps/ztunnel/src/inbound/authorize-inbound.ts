import type { Workload } from '@ambient/model'
import type { ConnectionAttempt, Decision } from '@ambient/policy'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'

/** Whether a peer, with or without an identity, may reach `local`; the port is the app's, after service ports are resolved. Pure. */
export function authorizeInbound(
  snapshot: MeshSnapshot,
  local: Workload,
  attempt: ConnectionAttempt,
): Decision {
  return snapshot.compiledPoliciesFor(local).decide(attempt)
}
