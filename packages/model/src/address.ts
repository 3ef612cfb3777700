import { type Service, serviceName } from './service.ts'
import type { Workload } from './workload.ts'

/** What one resource of type Address holds. */
export type Address =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service }

/** The resource name: the workload's UID, or `namespace/hostname` of the service. */
export function addressName(address: Address): string {
  return address.kind === 'workload' ? address.workload.uid : serviceName(address.service)
}
