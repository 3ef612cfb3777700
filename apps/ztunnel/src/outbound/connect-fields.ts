import { buildBaggage, buildForwarded, buildTraceparent, type BaggageFacts, type HeaderField } from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { Random } from '@ambient/lifecycle'
import type { Workload } from '@ambient/model'

export interface ConnectRequest {
  readonly authority: string
  readonly source: Workload
  readonly peer: SocketAddress
  readonly serviceHostname: string | undefined
  readonly random: Random
}

/** The CONNECT request's fields in upstream's order. */
export function connectFields({ authority, source, peer, serviceHostname, random }: ConnectRequest): readonly HeaderField[] {
  return [
    { name: ':method', value: 'CONNECT' },
    { name: ':authority', value: authority },
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
