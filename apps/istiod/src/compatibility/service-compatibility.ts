import { type CompatibilityTable, defineCompatibility, golden, ignored, untouched } from './compatibility.ts'

const SERVICES = golden('services')
const SLICES = golden('endpoint-slices')
const BY_KUBE_PROXY = untouched('traffic from outside comes by kube-proxy, and in by the pod’s own address')

/** Services of Kubernetes, and their endpoints. */
export const SERVICE_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'Service',
    fields: {
      'spec.type': golden('external-name', 'an ExternalName is left to DNS, and a warning says so'),
      'spec.clusterIP': SERVICES,
      'spec.clusterIPs': SERVICES,
      'spec.ipFamilies': SERVICES,
      'spec.selector': SERVICES,
      'spec.ports[].name': SERVICES,
      'spec.ports[].port': SERVICES,
      'spec.ports[].targetPort': SERVICES,
      'spec.ports[].protocol': golden('services', 'UDP ports are sent and not served'),
      'spec.ports[].appProtocol': golden('app-protocols'),
      'spec.internalTrafficPolicy': golden('load-balancing'),
      'spec.trafficDistribution': golden('load-balancing'),
      'spec.publishNotReadyAddresses': golden('load-balancing'),
      'spec.sessionAffinity': ignored('node proxies choose an endpoint for each connection anew', ['None']),
      'spec.externalIPs': BY_KUBE_PROXY,
      'spec.loadBalancerIP': BY_KUBE_PROXY,
      'spec.externalTrafficPolicy': BY_KUBE_PROXY,
      'spec.loadBalancerClass': BY_KUBE_PROXY,
      'spec.loadBalancerSourceRanges': BY_KUBE_PROXY,
      'spec.allocateLoadBalancerNodePorts': BY_KUBE_PROXY,
      'spec.healthCheckNodePort': BY_KUBE_PROXY,
      'spec.ports[].nodePort': BY_KUBE_PROXY,
      'spec.externalName': untouched('DNS gives it'),
      'spec.ipFamilyPolicy': untouched('the API server makes clusterIPs and ipFamilies of it'),
      'spec.sessionAffinityConfig': untouched('it is about sessionAffinity'),
      'status.loadBalancer': BY_KUBE_PROXY,
    },
    labels: {
      'istio.io/global': golden('split-horizon', 'as any label that serviceScopeConfigs name'),
      'topology.istio.io/network': untouched('gateways of networks are described by Gateways'),
      'istio.io/tag': golden('revisions', 'on istiod-revision-tag-…, with istio.io/rev'),
    },
    annotations: {
      'networking.istio.io/traffic-distribution': golden('load-balancing'),
      'networking.istio.io/exportTo': ignored('node proxies hear of every Service'),
    },
  }),
  defineCompatibility({
    kind: 'EndpointSlice',
    fields: {
      addressType: golden('endpoint-slices', 'FQDN is left out'),
      'endpoints[].addresses': SLICES,
      'endpoints[].conditions': golden('endpoint-slices', 'ready'),
      'endpoints[].targetRef': SLICES,
      'ports[].name': SLICES,
      'ports[].port': SLICES,
      'ports[].protocol': SLICES,
      'endpoints[].hints': untouched('kube-proxy’s: node proxies go by localities'),
      'endpoints[].nodeName': untouched('kube-proxy’s: the node of a pod is in the pod'),
      'endpoints[].hostname': untouched('the cluster’s DNS gives it'),
      'ports[].appProtocol': untouched('the Service says it'),
      'endpoints[].zone': untouched('kube-proxy’s: the locality of a pod is its node’s'),
    },
    labels: { 'kubernetes.io/service-name': SLICES },
  }),
]
