import {
  type BaggageFacts,
  buildBaggage,
  buildForwarded,
  buildTraceparent,
  type HeaderField,
} from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { Random } from '@ambient/lifecycle'
import type { Workload } from '@ambient/model'

export interface RequestFacts {
  readonly source: Workload
  readonly peer: SocketAddress
  readonly serviceHostname: string | undefined
  readonly random: Random
}

/** What a CONNECT says besides its authority, in upstream's order. */
export function requestFields({
  source,
  peer,
  serviceHostname,
  random,
}: RequestFacts): readonly HeaderField[] {
  return [
    { name: 'baggage', value: buildBaggage(baggageFacts(source)) },
    { name: 'forwarded', value: buildForwarded(peer, serviceHostname) },
    { name: 'traceparent', value: buildTraceparent(random) },
  ]
}

export function baggageFacts(workload: Workload): BaggageFacts {
  return {
    clusterId: workload.clusterId,
    namespace: workload.namespace,
    workloadType: workload.workloadType,
    workloadName: workload.workloadName,
    serviceName: workload.canonicalName,
    serviceVersion: workload.canonicalRevision,
    region: workload.locality.region,
    zone: workload.locality.zone,
  }
}
