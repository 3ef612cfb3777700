import { type CompatibilityTable, defineCompatibility, golden, untouched } from './compatibility.ts'

const PODS = golden('pods')
const NAMES = golden('workload-names')
const BY_THE_AGENT = untouched('the CNI agent goes by it')
const OF_SIDECARS = untouched('it is about sidecars, and nothing here injects or expects any')
const BY_ISTIODS_NAMESPACE = untouched('the network of a cluster is that of istiod’s own namespace')

/** Pods, and the nodes they are on. */
export const POD_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'Pod',
    fields: {
      'metadata.generateName': NAMES,
      'metadata.ownerReferences': NAMES,
      'metadata.deletionTimestamp': PODS,
      'spec.nodeName': PODS,
      'spec.serviceAccountName': PODS,
      'spec.hostNetwork': PODS,
      'spec.containers[].ports': golden('services', 'names of TCP ports'),
      'spec.initContainers[].restartPolicy': golden('services', 'native sidecars have ports too'),
      'status.phase': PODS,
      'status.podIP': PODS,
      'status.podIPs': PODS,
      'status.conditions': golden('pods', 'Ready'),
    },
    labels: {
      'networking.istio.io/tunnel': PODS,
      'service.istio.io/workload-name': NAMES,
      'service.istio.io/canonical-name': NAMES,
      'service.istio.io/canonical-revision': NAMES,
      'app.kubernetes.io/name': NAMES,
      'app.kubernetes.io/version': NAMES,
      app: PODS,
      version: PODS,
      'pod-template-hash': PODS,
      'rollouts-pod-template-hash': NAMES,
      deploymentconfig: NAMES,
      'istio.io/rev': golden('revisions', 'pods are everybody’s: it changes nothing'),
      'istio.io/dataplane-mode': BY_THE_AGENT,
      'topology.istio.io/network': BY_ISTIODS_NAMESPACE,
      'topology.istio.io/cluster': untouched('a pod is of the cluster that it is read from'),
      'security.istio.io/tlsMode': OF_SIDECARS,
      'sidecar.istio.io/inject': OF_SIDECARS,
    },
    annotations: {
      'ambient.istio.io/redirection': PODS,
      'ambient.istio.io/bypass-inbound-capture': BY_THE_AGENT,
      'ambient.istio.io/dns-capture': BY_THE_AGENT,
      'istio.io/reroute-virtual-interfaces': BY_THE_AGENT,
    },
  }),
  defineCompatibility({
    kind: 'Node',
    labels: {
      'topology.kubernetes.io/region': PODS,
      'topology.kubernetes.io/zone': PODS,
      'topology.istio.io/subzone': PODS,
    },
  }),
  defineCompatibility({
    kind: 'Namespace',
    labels: {
      'topology.istio.io/network': golden('pods', 'on istiod’s own namespace'),
      'istio.io/dataplane-mode': BY_THE_AGENT,
      'istio-injection': OF_SIDECARS,
      'istio.io/rev': untouched('it is about injection and gateways: objects say it themselves'),
    },
    annotations: {
      'networking.istio.io/traffic-distribution': golden('services'),
      'topology.istio.io/controlPlaneClusters': untouched(
        '--remote-config-dir says which clusters there are',
      ),
    },
  }),
]
