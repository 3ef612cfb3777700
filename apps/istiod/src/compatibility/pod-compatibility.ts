import { type CompatibilityTable, defineCompatibility, golden } from './compatibility.ts'

const PODS = golden('pods')
const NAMES = golden('workload-names')

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
    },
    annotations: {
      'ambient.istio.io/redirection': PODS,
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
    },
    annotations: {
      'networking.istio.io/traffic-distribution': golden('services'),
    },
  }),
]
