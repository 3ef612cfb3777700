import { formatHostPort } from '@ambient/model'
import type { ConnectionAttempt, DryRunFinding } from '@ambient/policy'
import type { PodContext } from '../worker/pod-context.ts'

const SAYS: Readonly<Record<DryRunFinding['kind'], string>> = {
  'would-deny': 'dry-run policy would deny',
  'would-allow': 'dry-run policy would allow',
  'would-allow-nothing': 'dry-run policies exist, and none would allow',
}

/** What policies on trial would have said of a connection: a line each, of scope `rbac`. */
export function logDryRun(
  { shared }: Pick<PodContext, 'shared'>,
  findings: readonly DryRunFinding[],
  attempt: ConnectionAttempt,
): void {
  const level = shared.settings.logsPolicies ? 'info' : 'debug'
  if (findings.length === 0 || !shared.isLogged('rbac', level)) return
  for (const finding of findings) {
    shared.report.log({
      level,
      scope: 'rbac',
      message: SAYS[finding.kind],
      fields: {
        policy: 'policy' in finding ? finding.policy : undefined,
        'src.identity': attempt.sourceIdentity,
        'src.ip': attempt.sourceIp,
        'dst.addr': formatHostPort(attempt.destinationIp, attempt.destinationPort),
      },
    })
  }
}
