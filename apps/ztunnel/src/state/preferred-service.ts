import type { Service } from '@ambient/model'

/** Without a client namespace everything is visible. */
export function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return (
    service.visibility === 'public' || clientNamespace === undefined || service.namespace === clientNamespace
  )
}

/**
 * Of several services under one name or address, the client's own namespace's, then a canonical one, then the preferred
 * namespace's, then the first; never one that the client may not see.
 */
export function preferredService(
  services: readonly Service[],
  clientNamespace: string | undefined,
  preferredNamespace?: string,
): Service | undefined {
  const visible =
    services.length <= 1 ? services : services.filter((service) => isVisible(service, clientNamespace))
  const found =
    visible.find((service) => service.namespace === clientNamespace) ??
    visible.find((service) => service.canonical) ??
    visible.find((service) => service.namespace === preferredNamespace) ??
    visible[0]
  return found !== undefined && isVisible(found, clientNamespace) ? found : undefined
}
