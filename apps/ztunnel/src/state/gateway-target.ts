import { addressKey, type GatewayAddress, type Service, type Workload } from '@ambient/model'
import type { MeshSnapshot } from './mesh-snapshot.ts'

/** What a reference to a waypoint or a network gateway stands for. */
export type GatewayTarget =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'workload'; readonly workload: Workload }

/**
 * Services come before workloads, whether the reference is a name or an address.
 *
 * @param clientNamespace Who asks; `undefined` sees services of every namespace.
 */
export function gatewayTarget(
  snapshot: MeshSnapshot,
  destination: GatewayAddress['destination'],
  clientNamespace: string | undefined,
): GatewayTarget | undefined {
  const service =
    destination.kind === 'hostname'
      ? snapshot.service(`${destination.namespace}/${destination.hostname}`)
      : snapshot.serviceByVip(destination.network, destination.ip, clientNamespace)
  if (service !== undefined) return { kind: 'service', service }
  const workload =
    destination.kind === 'hostname'
      ? snapshot.workloadByHostname(destination.namespace, destination.hostname)
      : snapshot.workloadByAddress(destination.network, destination.ip)
  return workload === undefined ? undefined : { kind: 'workload', workload }
}

/** The control plane's name for what a gateway refers to: `namespace/hostname` or `network/ip`. */
export function gatewayName(destination: GatewayAddress['destination']): string {
  return destination.kind === 'hostname'
    ? `${destination.namespace}/${destination.hostname}`
    : addressKey(destination.network, destination.ip)
}
