import type { KubeObject } from '@ambient/kube'
import type { Locality } from '@ambient/model'

/** @returns undefined for a node whose labels say nothing of where it is. */
export function localityOf(node: KubeObject): Locality | undefined {
  const { labels } = node.metadata
  const region = labels['topology.kubernetes.io/region'] ?? ''
  const zone = labels['topology.kubernetes.io/zone'] ?? ''
  const subzone = labels['topology.istio.io/subzone'] ?? ''
  return region === '' && zone === '' && subzone === '' ? undefined : { region, zone, subzone }
}
