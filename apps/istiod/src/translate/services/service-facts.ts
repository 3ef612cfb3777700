import { type KubeObject, readService, type ServicePort } from '@ambient/kube'

/** What decides which workloads belong to a service and at which ports; the rest of it is not their business. */
export interface ServiceFacts {
  /** Which names of ports count differs between the two. */
  readonly kind: 'Service' | 'ServiceEntry'
  readonly namespace: string
  readonly hostname: string
  /** Undefined: it selects nothing, its endpoints are written by hand. */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly ports: readonly ServicePort[]
}

/** @returns undefined for an ExternalName, which is a DNS alias and nothing to the mesh. @throws {KubeError} `OBJECT_INVALID` */
export function serviceFacts(service: KubeObject, domainSuffix: string): ServiceFacts | undefined {
  const { type, selector, ports } = readService(service)
  if (type === 'ExternalName') return undefined
  const { name, namespace = '' } = service.metadata
  return { kind: 'Service', namespace, hostname: hostnameOf(name, namespace, domainSuffix), selector, ports }
}

export function hostnameOf(name: string, namespace: string, domainSuffix: string): string {
  return `${name}.${namespace}.svc.${domainSuffix}`
}
