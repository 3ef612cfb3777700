import type { PortMapping } from '@ambient/model'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { ServiceFacts } from './service-facts.ts'
import type { SliceFacts } from './slice-facts.ts'

/**
 * A pod's own ports for a service that selects it. A Service names the container port in `targetPort`, and the port is
 * left out for a pod that has no such port; a ServiceEntry means the container port of the same name as its own.
 */
export function selectedPorts(service: ServiceFacts, pod: PodFacts): readonly PortMapping[] {
  return service.ports.flatMap(({ name, port, targetPort }) => {
    const resolved =
      typeof targetPort === 'string'
        ? pod.namedPorts[targetPort]
        : ((service.kind === 'ServiceEntry' ? pod.namedPorts[name ?? ''] : undefined) ?? targetPort)
    return resolved === undefined ? [] : [mapping(port, resolved)]
  })
}

/** The ports of a workload that says its own by name, as a WorkloadEntry does. */
export function namedPorts(
  service: ServiceFacts,
  ports: Readonly<Record<string, number>>,
): readonly PortMapping[] {
  return service.ports.flatMap(({ name, port, targetPort }) => {
    const resolved = typeof targetPort === 'string' ? ports[targetPort] : (ports[name ?? ''] ?? targetPort)
    return resolved === undefined ? [] : [mapping(port, resolved)]
  })
}

/** The ports of a hand-written slice: its ports are joined with the Service's by name. */
export function slicePorts(service: ServiceFacts, slice: SliceFacts): readonly PortMapping[] {
  return service.ports.flatMap((port) => {
    const found = slice.ports.find((candidate) => (candidate.name ?? '') === (port.name ?? ''))
    return found === undefined ? [] : [mapping(port.port, found.port)]
  })
}

function mapping(servicePort: number, targetPort: number): PortMapping {
  return { servicePort, targetPort, appProtocol: 'unknown' }
}
