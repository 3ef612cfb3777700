import type { KubeObject } from '@ambient/kube'
import { includesLabels, readPod, readService } from '@ambient/kube'

export interface ServiceEndpoints {
  readonly namespace: string
  readonly name: string
  readonly clusterIps: readonly string[]
  readonly ports: readonly PortEndpoints[]
  /** Addresses of the ready pods, whatever their ports. */
  readonly podIps: readonly string[]
}

export interface PortEndpoints {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[]
}

/** Which ready pods stand behind each Service, in a fixed order. Pure. */
export function serviceEndpoints(
  services: readonly KubeObject[],
  pods: readonly KubeObject[],
): readonly ServiceEndpoints[] {
  return services
    .map((service) => endpointsOf(service, pods))
    .toSorted((a, b) => compareText(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`))
}

function endpointsOf(service: KubeObject, pods: readonly KubeObject[]): ServiceEndpoints {
  const { namespace = 'default', name } = service.metadata
  const { clusterIps, ports, selector, publishNotReadyAddresses } = readService(service)
  const members = pods
    .filter(
      (pod) =>
        selector !== undefined &&
        pod.metadata.namespace === namespace &&
        includesLabels(pod.metadata.labels, selector),
    )
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map(readPod)
    .filter((facts) => facts.isReady || publishNotReadyAddresses)
    .flatMap((facts) => facts.podIps.map((ip) => ({ facts, ip })))
    .toSorted((a, b) => compareText(a.ip, b.ip))
  return {
    namespace,
    name,
    clusterIps,
    podIps: members.map(({ ip }) => ip),
    ports: ports.map(({ port, protocol, targetPort }) => ({
      protocol: protocol === 'UDP' ? 'udp' : 'tcp',
      port,
      endpoints: members.flatMap(({ facts, ip }) => {
        const target = typeof targetPort === 'number' ? targetPort : namedPort(facts, targetPort)
        return target === undefined ? [] : [{ ip, port: target }]
      }),
    })),
  }
}

function namedPort(pod: ReturnType<typeof readPod>, name: string): number | undefined {
  return pod.containers.flatMap(({ ports }) => ports).find((port) => port.name === name)?.port
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
