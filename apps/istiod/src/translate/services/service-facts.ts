import { type KubeObject, readService, type ServicePort } from '@ambient/kube'
import type { ServiceScope } from '../config/mesh-config.ts'

/** What decides which workloads belong to a service and at which ports; the rest of it is not their business. */
export interface ServiceFacts {
  /** Which names of ports count differs between the two. */
  readonly kind: 'Service' | 'ServiceEntry'
  readonly namespace: string
  readonly hostname: string
  /** Undefined: it selects nothing, its endpoints are written by hand. */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly ports: readonly ServicePort[]
  /** Whether it is one service with those of its name in the mesh's other clusters. */
  readonly scope: ServiceScope
}

/** @returns undefined for an ExternalName, which is a DNS alias and nothing to the mesh. @throws {KubeError} `OBJECT_INVALID` */
export function serviceFacts(
  service: KubeObject,
  { domainSuffix, scope }: { readonly domainSuffix: string; readonly scope: ServiceScope },
): ServiceFacts | undefined {
  const { type, selector, ports } = readService(service)
  if (type === 'ExternalName') return undefined
  const { name, namespace = '' } = service.metadata
  const hostname = hostnameOf(name, namespace, domainSuffix)
  return { kind: 'Service', namespace, hostname, selector, ports, scope }
}

export function hostnameOf(name: string, namespace: string, domainSuffix: string): string {
  return `${name}.${namespace}.svc.${domainSuffix}`
}
