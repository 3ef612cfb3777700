import { type Service, serviceName, type Workload } from '@ambient/model'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'

export interface InboundTarget {
  readonly port: number
  /** What the peer's `forwarded` header names; believed only if the workload is a member of such a service. */
  readonly forwardedHost?: string | undefined
}

/** The service to name in telemetry for a connection that came in: the one the client dialled, else the first that fits the port. */
export function destinationServiceOf(
  snapshot: MeshSnapshot,
  local: Workload,
  target: InboundTarget,
): Service | undefined {
  const services = Object.keys(local.services)
    .map((name) => snapshot.service(name))
    .filter((service) => service !== undefined)
  const named = services.find((service) => service.hostname === target.forwardedHost)
  return named ?? services.find((service) => hasTargetPort(service, local, target.port))
}

function hasTargetPort(service: Service, local: Workload, port: number): boolean {
  const own = local.services[serviceName(service)] ?? []
  return [...own, ...service.ports].some(({ targetPort }) => targetPort === port)
}
