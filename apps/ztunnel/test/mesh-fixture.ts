import {
  type Address,
  defineService,
  defineWorkload,
  type PortMapping,
  type Service,
  type Workload,
} from '@ambient/model'
import { MeshSnapshot } from '../src/state/mesh-snapshot.ts'

export function pod(name: string, known: Partial<Workload> = {}): Workload {
  return defineWorkload({
    uid: `Kubernetes//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    tunnelProtocol: 'hbone',
    ...known,
  })
}

export function service(hostname: string, known: Partial<Service> = {}): Service {
  return defineService({ name: hostname, namespace: 'shop', hostname, ...known })
}

export function port(servicePort: number, targetPort: number): PortMapping {
  return { servicePort, targetPort, appProtocol: 'unknown' }
}

export function at(ip: string): { readonly network: string; readonly ip: string } {
  return { network: '', ip }
}

export function serves(
  hostname: string,
  ...ports: readonly (readonly [number, number])[]
): Pick<Workload, 'services'> {
  return {
    services: {
      [`shop/${hostname}`]: ports.map(([servicePort, targetPort]) => port(servicePort, targetPort)),
    },
  }
}

export function mesh(...parts: readonly (Workload | Service)[]): MeshSnapshot {
  const snapshot = new MeshSnapshot()
  const upserts = parts.map((one): Address =>
    'uid' in one ? { kind: 'workload', workload: one } : { kind: 'service', service: one },
  )
  snapshot.apply({ addresses: { upserts, removed: [] }, policies: { upserts: [], removed: [] } })
  return snapshot
}
