import type { PortMapping } from '@ambient/model'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { ServiceFacts } from './service-facts.ts'
import type { SliceFacts } from './slice-facts.ts'

/** A pod's own ports for a Service that selects it; a named target port that the pod does not have is left out. */
export function selectedPorts(service: ServiceFacts, pod: PodFacts): readonly PortMapping[] {
  return service.ports.flatMap(({ port, targetPort }) => {
    const resolved = typeof targetPort === 'number' ? targetPort : pod.namedPorts[targetPort]
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
