import { describeRef, type ResourceWriter } from '@ambient/kube'
import { type LeadDeps, leadWork } from '../lead-work.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { allocateAddresses, type AllocateDeps, type AllocateOutcome } from './allocate-addresses.ts'
import type { AddressPlan, AddressRanges } from './plan-addresses.ts'

export interface LeadAllocationDeps extends LeadDeps {
  readonly state: Pick<MeshState, 'addressClaims'>
  readonly writer: Pick<ResourceWriter, 'applyStatus' | 'lease'>
  readonly ranges: AddressRanges
}

const LEASE = 'istio-ip-autoallocate'

/** Allocates virtual IPs while this istiod is the one of all replicas that may; ends with `signal`. */
export function leadAllocation(deps: LeadAllocationDeps, signal: AbortSignal): Promise<void> {
  const { state, writer, clock, ranges, metrics } = deps
  const allocation: AllocateDeps = {
    claims: state.addressClaims,
    writer,
    clock,
    ranges,
    onWrite: (outcome) => {
      metrics.onAddressWrite(outcome.kind)
      logWrite(deps, outcome)
    },
    onExhausted: (hosts) => {
      metrics.onAddressesExhausted(hosts.length)
      logExhausted(deps, hosts)
    },
  }
  return leadWork(deps, LEASE, (term) => allocateAddresses(allocation, term), signal)
}

function logWrite({ logger }: LeadAllocationDeps, outcome: AllocateOutcome): void {
  const { claim, taken } = outcome.write
  if (outcome.kind === 'given-up') {
    const cause = outcome.cause instanceof Error ? outcome.cause.message : String(outcome.cause)
    logger.error(`Cannot write virtual IPs of ${describeRef(claim.ref)}: ${cause}`, {
      reason: 'STATUS_NOT_WRITTEN',
    })
  }
  for (const { host, ip } of outcome.kind === 'written' ? taken : []) {
    logger.warn(`${describeRef(claim.ref)}: ${ip} of ${host} is another's; ${host} has a new address`, {
      reason: 'ADDRESS_TAKEN',
    })
  }
}

function logExhausted({ logger, ranges }: LeadAllocationDeps, hosts: AddressPlan['exhausted']): void {
  const [first] = hosts
  if (first === undefined) return
  const { ip, length } = ranges[first.family]
  logger.error(
    `${describeRef(first.claim.ref)}: ${first.host} has no virtual IP, all of ${ip}/${length} are in use (${hosts.length} hosts)`,
    { reason: 'ADDRESSES_EXHAUSTED' },
  )
}
