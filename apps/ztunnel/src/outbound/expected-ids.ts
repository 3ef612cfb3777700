import type { Service, Workload } from '@ambient/model'
import { isSpiffeId, type SpiffeId } from '@ambient/spiffe'

/** Who may answer for an endpoint: the service's further names, and the workload's own. */
export function expectedIds(service: Service | undefined, workload: Workload): readonly SpiffeId[] {
  const names = [...(service?.subjectAltNames ?? []), identityText(workload)]
  return [...new Set(names.filter(isSpiffeId))]
}

/** Who may answer on another network, where the endpoints are known by their number only. */
export function remoteIds(service: Service | undefined): readonly SpiffeId[] {
  return [...new Set((service?.subjectAltNames ?? []).filter(isSpiffeId))]
}

/** A workload's own SPIFFE ID, as the control plane describes it. */
export function identityText({
  trustDomain,
  namespace,
  serviceAccount,
}: Pick<Workload, 'trustDomain' | 'namespace' | 'serviceAccount'>): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}
