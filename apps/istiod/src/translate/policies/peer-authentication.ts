import type { PeerAuthentication, PeerAuthenticationChain } from '@ambient/kube'
import type { AuthorizationPolicy, Match } from '@ambient/policy'

/** Which policy makes a chain true: none at all, the one shared by everybody, or one of the workload's own. */
export type PeerPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'static-strict' }
  | { readonly kind: 'own'; readonly policy: AuthorizationPolicy }

export const STATIC_STRICT = 'istio_converted_static_strict'

const NO_IDENTITY: Match = { notPrincipals: [{ kind: 'presence' }] }

/** Pure. @see istiod.md 6.3 */
export function peerPolicy(chain: PeerAuthenticationChain): PeerPolicy {
  const base = [chain.workload, chain.namespace, chain.mesh].find(
    (one) => one !== undefined && one.mode !== 'unset',
  )
  const isStrict = base?.mode === 'strict'
  const ports = Object.entries(chain.workload?.portModes ?? {})
  const exceptions = ports
    .filter(([, mode]) => mode === (isStrict ? 'permissive' : 'strict'))
    .map(([port]) => Number(port))
    .toSorted((a, b) => a - b)
  if (chain.workload === undefined || exceptions.length === 0)
    return { kind: isStrict ? 'static-strict' : 'none' }
  const rules = isStrict
    ? [[[NO_IDENTITY], [{ notDestinationPorts: exceptions }]]]
    : exceptions.map((port) => [[{ destinationPorts: [port], ...NO_IDENTITY }]])
  return {
    kind: 'own',
    policy: { ...denyPolicy(chain.workload.namespace, ownPolicyName(chain.workload)), rules },
  }
}

/** Refuses everybody without an identity; one for the whole mesh. */
export function staticStrictPolicy(rootNamespace: string): AuthorizationPolicy {
  return { ...denyPolicy(rootNamespace, STATIC_STRICT), rules: [[[NO_IDENTITY]]] }
}

function ownPolicyName(of: Pick<PeerAuthentication, 'name'>): string {
  return `converted_peer_authentication_${of.name}`
}

function denyPolicy(namespace: string, name: string): Omit<AuthorizationPolicy, 'rules'> {
  return { namespace, name, scope: 'workload-selector', action: 'deny', dryRun: false }
}
