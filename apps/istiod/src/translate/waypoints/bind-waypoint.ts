import { ANY_CLASS } from '../policies/l7-attachments.ts'
import { canaryOf } from './canary-waypoint.ts'
import { judgeWaypoint, type ReadyWaypoint, type WaypointReference } from './judge-waypoint.ts'
import { closedAddress, type Waypoint } from './waypoint.ts'
import {
  type AccountWaypoint,
  isServiceClient,
  type Treatment,
  type WaypointBinding,
  type WaypointClient,
  type WaypointSources,
} from './waypoint-binding.ts'
import { waypointKey, type WaypointName, wishedWaypoint } from './waypoint-wishes.ts'

const NONE: WaypointBinding = { kind: 'none' }

/**
 * Through which waypoint the traffic to one service or workload goes. What cannot be resolved goes direct, as in Istio,
 * unless that would get it past an L7 policy: then it is closed. The label `istio.io/waypoint-missing` overrides both.
 *
 * @see istiod.md 5.1 to 5.5
 */
export function bindWaypoint(client: WaypointClient, sources: WaypointSources): WaypointBinding {
  const reference = referenceOf(client)
  if (reference === 'none') return NONE
  if (reference === 'unsaid')
    return client.account.kind === 'mixed' ? mixed(client, client.account, sources) : NONE
  const waypoint = sources.waypoint(reference.waypoint)
  const verdict = judgeWaypoint(client, reference, { waypoint, sources })
  switch (verdict.kind) {
    case 'usable':
      return bound(client, reference, { waypoint: verdict.waypoint, sources })
    case 'refused': {
      const { reason, detail, wouldCarry } = verdict
      const passed = wouldCarry ? waypointTargets(reference.waypoint, waypoint) : []
      const treatment = treat(client, sources, [...ownTargets(client), ...passed])
      const address = treatment.kind === 'closed' ? closedAddress(reference.waypoint) : undefined
      return { kind: 'unbound', reason, detail, treatment, address }
    }
    case 'not-for-it':
      return verdict.detail === undefined ? NONE : notForIt(verdict.detail)
  }
}

/** The object's own label, then the waypoint of its service account, then the label of its namespace. */
function referenceOf({
  isGateway,
  own,
  inherited,
  account,
  namespace,
}: WaypointClient): WaypointReference | 'none' | 'unsaid' {
  if (isGateway) return 'none'
  const wished = wishedWaypoint(own.waypoint, own.waypointNamespace, namespace)
  if (wished === 'none') return 'none'
  if (wished !== undefined) return { waypoint: wished, level: 'object' }
  if (account.kind === 'one') return { waypoint: account.waypoint, level: 'account' }
  const byNamespace = wishedWaypoint(inherited.waypoint, inherited.waypointNamespace, namespace)
  if (byNamespace === undefined || byNamespace === 'none') return 'unsaid'
  return { waypoint: byNamespace, level: 'namespace' }
}

function notForIt(detail: string): WaypointBinding {
  const treatment = { kind: 'direct', because: 'not-for-workloads' } as const
  return { kind: 'unbound', reason: 'WaypointIsNotReady', detail, treatment, address: undefined }
}

function mixed(
  client: WaypointClient,
  { accounts }: Extract<AccountWaypoint, { kind: 'mixed' }>,
  sources: WaypointSources,
): WaypointBinding {
  const detail = `endpoints run under service accounts that do not all have the same waypoint: ${accounts.join(', ')}`
  const treatment = treat(client, sources, ownTargets(client))
  const address = treatment.kind === 'closed' ? closedAddress({ ...client, name: 'mixed' }) : undefined
  return { kind: 'unbound', reason: 'MixedServiceAccounts', detail, treatment, address }
}

function treat(client: WaypointClient, sources: WaypointSources, targets: readonly string[]): Treatment {
  const wished = wishedTreatment(client)
  if (wished !== undefined) return wished
  const policy = sources.policyFor(targets)
  return policy === undefined
    ? { kind: 'direct', because: 'no-policy' }
    : { kind: 'closed', because: { policy } }
}

function wishedTreatment({ own, inherited }: WaypointClient): Treatment | undefined {
  const wish = own.missing ?? inherited.missing
  if (wish === undefined) return undefined
  if (wish === 'direct') return { kind: 'direct', because: 'label' }
  return { kind: 'closed', because: wish === 'closed' ? 'label' : 'label-invalid' }
}

function ownTargets(client: WaypointClient): readonly string[] {
  return isServiceClient(client) ? [`${client.kind} ${client.namespace}/${client.name}`] : []
}

/** Of a Gateway that nobody has ever seen the class is unknown, so that the policies of any may be meant. */
function waypointTargets(name: WaypointName, waypoint: Waypoint | undefined): readonly string[] {
  return [`Gateway ${waypointKey(name)}`, `GatewayClass ${waypoint?.className ?? ANY_CLASS}`]
}

function bound(
  client: WaypointClient,
  reference: WaypointReference,
  { waypoint, sources }: { readonly waypoint: ReadyWaypoint; readonly sources: WaypointSources },
): WaypointBinding {
  const { namespace, name, address } = waypoint
  const canary = canaryOf(client, reference, sources)
  const ingress = client.own.ingress ?? client.inherited.ingress
  return {
    kind: 'bound',
    waypoint: { namespace, name },
    address,
    weighted:
      canary.kind === 'used'
        ? [
            { destination: address, weight: 100 - canary.weight },
            { destination: canary.address, weight: canary.weight },
          ]
        : [],
    canary: canary.kind === 'used' ? canary.name : undefined,
    canaryProblem: canary.kind === 'refused' ? canary.problem : undefined,
    ingress: ingress === undefined ? undefined : ingress === 'true',
    mixed: client.account.kind === 'mixed' ? client.account.accounts : undefined,
  }
}
