import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import { includesLabels } from '@ambient/kube'
import { type PortMapping, serviceName } from '@ambient/model'
import type { EndpointFacts } from '../entries/endpoint-facts.ts'
import { anchorOf, anchorsFor } from '../label-anchor.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { Labelled } from '../policies/policy-state.ts'
import type { KubeServices } from './kube-services.ts'
import type { ServiceFacts } from './service-facts.ts'
import { namedPorts, selectedPorts, slicePorts } from './service-ports.ts'
import type { SliceFacts } from './slice-facts.ts'

type PortsByService = Readonly<Record<string, readonly PortMapping[]>>

/** Which workloads belong to which service, and at which of their own ports. */
export interface Membership {
  /** Services of the pod's namespace that select it, and those without a selector whose slices name it. */
  ofPod(pod: PodFacts, fetch: Fetch): PortsByService
  /** Services of the WorkloadEntry's namespace that select it. */
  ofWorkloadEntry(entry: EndpointFacts, fetch: Fetch): PortsByService
}

export interface MembershipSources {
  /** Services that can select something, under `namespace/hostname`. */
  readonly services: Collection<ServiceFacts>
  readonly kubeServices: KubeServices
  readonly slices: Collection<SliceFacts>
}

type Member = readonly [service: string, ports: readonly PortMapping[]]

export function membership({ services, kubeServices, slices }: MembershipSources): Membership {
  const bySelector = services.index(({ namespace, selector }) =>
    selector === undefined ? [] : [anchorOf(namespace, selector)],
  )
  const slicesByPod = slices.index((slice) => slice.pods.map((pod) => `${slice.namespace}/${pod.name}`))
  return {
    ofPod: (pod, fetch) => {
      const selected = selecting(pod, fetch, bySelector).map((service): Member => [
        serviceName(service),
        selectedPorts(service, pod),
      ])
      const named = fetch
        .find(slicesByPod, `${pod.namespace}/${pod.name}`, (each) => names(each, pod))
        .flatMap((slice): readonly Member[] => {
          const service = kubeServices.named(slice.namespace, slice.serviceName, fetch)
          if (service === undefined || service.selector !== undefined) return []
          return [[serviceName(service), slicePorts(service, slice)]]
        })
      return inOrder([...selected, ...named])
    },
    ofWorkloadEntry: (entry, fetch) =>
      inOrder(
        selecting(entry, fetch, bySelector).map((service) => [
          serviceName(service),
          namedPorts(service, entry.ports),
        ]),
      ),
  }
}

function selecting(
  workload: Labelled,
  fetch: Fetch,
  bySelector: CollectionIndex<ServiceFacts>,
): readonly ServiceFacts[] {
  const selects = ({ selector }: ServiceFacts): boolean =>
    selector !== undefined && includesLabels(workload.labels, selector)
  return anchorsFor(workload.namespace, workload.labels).flatMap((group) =>
    fetch.find(bySelector, group, selects),
  )
}

/** A slice means one incarnation of a pod: its next one of the same name may be something else. */
function names(slice: SliceFacts, pod: PodFacts): boolean {
  return slice.pods.some((ref) => ref.name === pod.name && (ref.uid === undefined || ref.uid === pod.uid))
}

function inOrder(members: readonly Member[]): PortsByService {
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
