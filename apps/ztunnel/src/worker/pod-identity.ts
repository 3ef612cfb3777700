import type { Workload } from '@ambient/model'
import { spiffeId, type SpiffeId } from '@ambient/spiffe'
import type { PodInfo } from './messages.ts'

/** The control plane's trust domain with what the CNI agent said of the pod; never anything read from a packet. */
export function podIdentity(info: PodInfo, workload: Pick<Workload, 'trustDomain'>): SpiffeId {
  return spiffeId({
    trustDomain: workload.trustDomain,
    namespace: info.namespace,
    serviceAccount: info.serviceAccount,
  })
}
