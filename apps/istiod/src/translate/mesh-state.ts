import {
  type Collection,
  CollectionGraph,
  type CollectionIndex,
  type Fault,
  type InputCollection,
} from '@ambient/collections'
import type { KindName, KubeObject } from '@ambient/kube'
import type { Address } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { configState } from './config/config-state.ts'
import type { MeshConfig } from './config/mesh-config.ts'
import { meshInputs } from './mesh-inputs.ts'
import type { MeshOptions } from './mesh-options.ts'
import { placeState } from './places/place-state.ts'
import type { PodFacts } from './pods/pod-facts.ts'
import { podAddresses, podState } from './pods/pod-state.ts'
import { policyState } from './policies/policy-state.ts'
import { serviceAddresses, serviceState, sliceAddresses } from './services/service-state.ts'
import { type StatusState, statusState } from './status-state.ts'

/** Everything istiod knows, and what follows from it; objects go in, resources come out. */
export interface MeshState {
  readonly graph: CollectionGraph
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly inputs: ReadonlyMap<KindName, InputCollection<KubeObject>>
  /** The mesh's configuration, when there is one. */
  readonly config: Collection<MeshConfig>
  readonly pods: Collection<PodFacts>
  /** Pods that are not over, under `namespace/serviceAccount@node`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
  /** Under the names they have on the wire. */
  readonly addresses: Collection<Address>
  /** Under `namespace/name`. */
  readonly policies: Collection<AuthorizationPolicy>
  readonly status: StatusState
}

/**
 * Puts the parts together, each made from those before it. What a part derives is in its own folder.
 *
 * @param onFault Told of each object that cannot be used; see `CollectionGraph` for what stays in force.
 */
export function meshState(mesh: MeshOptions, onFault: (fault: Fault) => void): MeshState {
  const graph = new CollectionGraph(onFault)
  const inputs = meshInputs(graph, mesh)
  const config = configState(inputs)
  const places = placeState(inputs)
  const services = serviceState(inputs, config)
  const pods = podState(inputs)
  const policies = policyState(inputs, config)
  const addresses = graph.union<Address>('addresses', [
    podAddresses(inputs, pods, { places, services, policies, config }),
    sliceAddresses(inputs, services, places),
    serviceAddresses(inputs, { places, config }),
  ])
  return {
    graph,
    inputs: inputs.byKind,
    config: config.current,
    pods: pods.facts,
    podsByAccountAndNode: pods.byAccountAndNode,
    addresses,
    policies: policies.all,
    status: statusState(graph, config, policies.conditions),
  }
}
