import type { Field } from '@ambient/kube'
import { type Address, type PortMapping, serviceName, type Workload } from '@ambient/model'
import type { MeshDelta } from '../state/mesh-snapshot.ts'
import { readLocalPolicy } from './read-local-policy.ts'
import { type LocalService, readLocalService } from './read-local-service.ts'
import { readLocalWorkload } from './read-local-workload.ts'

export interface LocalMesh {
  readonly delta: MeshDelta
  /** As it was written, for the dump. */
  readonly source: Readonly<Record<string, unknown>>
}

/**
 * A mesh that is described by one YAML or JSON text, for tests and for proxies without a control plane. A key that
 * nobody knows is refused, since what it was meant to say would be lost.
 *
 * @throws {KubeError} `OBJECT_INVALID`, naming the place and the value.
 * @see ztunnel `examples/localhost.yaml`
 */
export function readLocalMesh(root: Field): LocalMesh {
  root.refuseOthers(['workloads', 'services', 'policies'])
  const services = root.get('services').list().map(readLocalService)
  const workloads = root.get('workloads').list().map(readLocalWorkload).map(withEndpointsOf(services))
  const addresses: Address[] = [
    ...workloads.map((workload) => ({ kind: 'workload', workload }) as const),
    ...services.map(({ service }) => ({ kind: 'service', service }) as const),
  ]
  const policies = root.get('policies').list().map(readLocalPolicy)
  return {
    delta: {
      addresses: { upserts: addresses, removed: [] },
      policies: { upserts: policies, removed: [] },
    },
    source: root.record(),
  }
}

/** An endpoint may be written at its workload or at its service; it is kept at the workload. */
function withEndpointsOf(services: readonly LocalService[]) {
  return (workload: Workload): Workload => {
    const added: Record<string, readonly PortMapping[]> = {}
    for (const { service, endpoints } of services) {
      const ports = endpoints.get(workload.uid)
      if (ports !== undefined) added[serviceName(service)] = ports
    }
    return { ...workload, services: { ...workload.services, ...added } }
  }
}
