import { describeRef } from '@ambient/kube'
import { MESH_CONFIG_NAME, NO_MESH_CONFIG, type VisibilityRules } from '../translate/config/mesh-config.ts'
import type { MeshState } from '../translate/mesh-state.ts'

export interface MeshConfigSource {
  readonly state: Pick<MeshState, 'config' | 'warnings'>
  /** Istiod's own, which holds the ConfigMap. */
  readonly systemNamespace: string
  /** Those that hold until the next start, whatever the ConfigMap says meanwhile. */
  readonly trustDomain: string
  readonly rootNamespace: string
}

/**
 * What is in force of the mesh's configuration, by the names it has there; and which of its settings have no effect,
 * since a ConfigMap has no status that could say so.
 */
export function meshConfigDump({ state, ...source }: MeshConfigSource): object {
  const { systemNamespace: namespace, trustDomain, rootNamespace } = source
  const config = state.config.get(`${namespace}/${MESH_CONFIG_NAME}`) ?? NO_MESH_CONFIG
  const ref = describeRef({ kind: 'ConfigMap', namespace, name: MESH_CONFIG_NAME })
  return {
    trustDomain,
    trustDomainAliases: config.trustDomainAliases,
    rootNamespace,
    discoverySelectors: config.discoverySelectors,
    serviceScopeConfigs: config.serviceScopes.map(({ namespaces, services, scope }) => ({
      namespaceSelector: namespaces,
      servicesSelector: services,
      scope: scope.toUpperCase(),
    })),
    serviceEntryVisibility: config.visibility && describeVisibility(config.visibility),
    caCertificates: config.trustAnchors,
    warnings: (state.warnings.get(ref)?.warnings ?? []).map(({ message }) => message),
  }
}

function describeVisibility({ byDefault, policies }: VisibilityRules): object {
  return {
    defaultVisibility: byDefault.toUpperCase(),
    policies: policies.map(({ visibility, rules }) => ({
      visibility: visibility.toUpperCase(),
      matchingRules: rules.map((namespaceSelector) => ({ namespaceSelector })),
    })),
  }
}
