import type { Collection, CollectionIndex, Fetch, Filter } from '@ambient/collections'
import { includesLabels } from '@ambient/kube'
import { type PortMapping, serviceName } from '@ambient/model'
import type { EndpointFacts } from '../entries/endpoint-facts.ts'
import { anchorOf, anchorsFor } from '../label-anchor.ts'
import { prefixOf } from '../mesh-inputs.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { Labelled } from '../policies/policy-state.ts'
import type { ServiceFacts } from './service-facts.ts'
import { namedPorts, selectedPorts, slicePorts } from './service-ports.ts'
import type { SliceFacts } from './slice-facts.ts'

/** Where a Service is: in our own cluster, or another one. */
export interface ServiceName {
  readonly prefix: string
  readonly namespace: string
  readonly name: string
}

type PortsByService = Readonly<Record<string, readonly PortMapping[]>>

/** Which workloads belong to which service, and at which of their own ports. */
export interface Membership {
  /**
   * Services of the pod's namespace that select it, and those without a selector whose slices name it.
   *
   * @param prefix Of the pod's cluster, when it is another than ours.
   */
  ofPod(pod: PodFacts, fetch: Fetch, prefix?: string): PortsByService
  /** Services of the WorkloadEntry's namespace that select it. */
  ofWorkloadEntry(entry: EndpointFacts, fetch: Fetch): PortsByService
}

export interface MembershipSources {
  /** Services that can select something, under `namespace/hostname`. */
  readonly services: Collection<ServiceFacts>
  /** The Service called `name`, never a ServiceEntry. */
  readonly named: (at: ServiceName, fetch: Fetch) => ServiceFacts | undefined
  readonly slices: Collection<SliceFacts>
}

type Member = readonly [service: string, ports: readonly PortMapping[]]

export function membership({ services, named, slices }: MembershipSources): Membership {
  const bySelector = services.index(({ namespace, selector }, key) =>
    selector === undefined ? [] : [anchorOf(`${prefixOf(key)}${namespace}`, selector)],
  )
  const slicesByPod = slices.index((slice, key) =>
    slice.pods.map((pod) => `${prefixOf(key)}${slice.namespace}/${pod.name}`),
  )
  return {
    ofPod: (pod, fetch, prefix = '') => {
      const selected = selecting(pod, fetch, { bySelector, prefix }).map((service): Member => [
        serviceName(service),
        selectedPorts(service, pod),
      ])
      const behind = fetch
        .find(slicesByPod, `${prefix}${pod.namespace}/${pod.name}`, slicesOf(pod))
        .flatMap((slice): readonly Member[] => {
          const service = named({ prefix, namespace: slice.namespace, name: slice.serviceName }, fetch)
          if (service === undefined || service.selector !== undefined) return []
          return [[serviceName(service), slicePorts(service, slice)]]
        })
      return inOrder([...selected, ...behind])
    },
    ofWorkloadEntry: (entry, fetch) =>
      inOrder(
        selecting(entry, fetch, { bySelector, prefix: '' }).map((service) => [
          serviceName(service),
          namedPorts(service, entry.ports),
        ]),
      ),
  }
}

function selecting(
  workload: Labelled,
  fetch: Fetch,
  { bySelector, prefix }: { readonly bySelector: CollectionIndex<ServiceFacts>; readonly prefix: string },
): readonly ServiceFacts[] {
  const selects = servicesOf(workload)
  return anchorsFor(`${prefix}${workload.namespace}`, workload.labels).flatMap((group) =>
    fetch.find(bySelector, group, selects),
  )
}

/** Filters are kept with what they were asked for, and so is all that they close over. */
function servicesOf({ labels }: Pick<Labelled, 'labels'>): Filter<ServiceFacts> {
  return ({ selector }) => selector !== undefined && includesLabels(labels, selector)
}

/** A slice means one incarnation of a pod: its next one of the same name may be something else. */
function slicesOf({ name, uid }: Pick<PodFacts, 'name' | 'uid'>): Filter<SliceFacts> {
  return ({ pods }) => pods.some((ref) => ref.name === name && (ref.uid === undefined || ref.uid === uid))
}

function inOrder(members: readonly Member[]): PortsByService {
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
