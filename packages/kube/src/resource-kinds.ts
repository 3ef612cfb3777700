/** One kind of the Kubernetes API: where its objects live and whether they belong to a namespace. */
export interface ResourceKind {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespaced: boolean
}

/** Every kind this mesh reads or writes. An object of any other kind in a directory is left alone. */
export type KindName =
  | 'Pod'
  | 'Service'
  | 'ServiceAccount'
  | 'Namespace'
  | 'Node'
  | 'ConfigMap'
  | 'DaemonSet'
  | 'Deployment'
  | 'HorizontalPodAutoscaler'
  | 'PodDisruptionBudget'
  | 'Event'
  | 'EndpointSlice'
  | 'AuthorizationPolicy'
  | 'PeerAuthentication'
  | 'RequestAuthentication'
  | 'ServiceEntry'
  | 'WorkloadEntry'
  | 'Gateway'
  | 'GatewayClass'
  | 'ValidatingWebhookConfiguration'

export const resourceKinds: Readonly<Record<KindName, ResourceKind>> = {
  Pod: { group: '', version: 'v1', plural: 'pods', namespaced: true },
  Service: { group: '', version: 'v1', plural: 'services', namespaced: true },
  ServiceAccount: { group: '', version: 'v1', plural: 'serviceaccounts', namespaced: true },
  Namespace: { group: '', version: 'v1', plural: 'namespaces', namespaced: false },
  Node: { group: '', version: 'v1', plural: 'nodes', namespaced: false },
  ConfigMap: { group: '', version: 'v1', plural: 'configmaps', namespaced: true },
  Event: { group: '', version: 'v1', plural: 'events', namespaced: true },
  DaemonSet: { group: 'apps', version: 'v1', plural: 'daemonsets', namespaced: true },
  Deployment: { group: 'apps', version: 'v1', plural: 'deployments', namespaced: true },
  HorizontalPodAutoscaler: {
    group: 'autoscaling',
    version: 'v2',
    plural: 'horizontalpodautoscalers',
    namespaced: true,
  },
  PodDisruptionBudget: {
    group: 'policy',
    version: 'v1',
    plural: 'poddisruptionbudgets',
    namespaced: true,
  },
  EndpointSlice: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', namespaced: true },
  AuthorizationPolicy: {
    group: 'security.istio.io',
    version: 'v1',
    plural: 'authorizationpolicies',
    namespaced: true,
  },
  PeerAuthentication: {
    group: 'security.istio.io',
    version: 'v1',
    plural: 'peerauthentications',
    namespaced: true,
  },
  RequestAuthentication: {
    group: 'security.istio.io',
    version: 'v1',
    plural: 'requestauthentications',
    namespaced: true,
  },
  ServiceEntry: { group: 'networking.istio.io', version: 'v1', plural: 'serviceentries', namespaced: true },
  WorkloadEntry: { group: 'networking.istio.io', version: 'v1', plural: 'workloadentries', namespaced: true },
  Gateway: { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'gateways', namespaced: true },
  GatewayClass: {
    group: 'gateway.networking.k8s.io',
    version: 'v1',
    plural: 'gatewayclasses',
    namespaced: false,
  },
  ValidatingWebhookConfiguration: {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'validatingwebhookconfigurations',
    namespaced: false,
  },
}

export function isKindName(text: string): text is KindName {
  return Object.hasOwn(resourceKinds, text)
}

/** The kind an `apiVersion` and `kind` stand for; any version of the group is taken. */
export function kindOf(apiVersion: string, kind: string): KindName | undefined {
  if (!isKindName(kind)) return undefined
  const slash = apiVersion.lastIndexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  return resourceKinds[kind].group === group ? kind : undefined
}

export function apiVersionOf(kind: KindName): string {
  const { group, version } = resourceKinds[kind]
  return group === '' ? version : `${group}/${version}`
}
