import { type KubeObject, readService, type ServicePort } from '@ambient/kube'

/** What decides which workloads belong to a Service and at which ports; the rest of a Service is not the pods' business. */
export interface ServiceFacts {
  readonly namespace: string
  readonly hostname: string
  /** Undefined: its EndpointSlices are written by hand. */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly ports: readonly ServicePort[]
}

/** @returns undefined for an ExternalName, which is a DNS alias and nothing to the mesh. */
export function serviceFacts(service: KubeObject, domainSuffix: string): ServiceFacts | undefined {
  const { type, selector, ports } = readService(service)
  if (type === 'ExternalName') return undefined
  const namespace = service.metadata.namespace ?? ''
  return { namespace, hostname: hostnameOf(service.metadata.name, namespace, domainSuffix), selector, ports }
}

export function hostnameOf(name: string, namespace: string, domainSuffix: string): string {
  return `${name}.${namespace}.svc.${domainSuffix}`
}
