import type { Collection, Fetch } from '@ambient/collections'
import { type Address, type Service, serviceName, type Workload } from '@ambient/model'
import { servicesByName, workloadsByName } from '../by-name.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { NetworkState } from '../networks/network-state.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { PolicyState } from '../policies/policy-state.ts'
import type { ServiceFacts } from '../services/service-facts.ts'
import { mergeServices } from './merge-services.ts'
import { type RemoteService, remoteServices } from './remote-services.ts'
import { remoteWorkloads } from './remote-workloads.ts'
import { splitHorizonWorkload } from './split-horizon.ts'

/** What the mesh's other clusters add to what is sent. */
export interface RemoteState {
  /** Their workloads on our network, what stands for those on others, and services that we do not have. */
  readonly addresses: Collection<Address>
  /** One of our own global services, with what other clusters add to it. */
  merged(service: Service, fetch: Fetch): Service
}

export interface RemoteSources {
  readonly config: ConfigState
  readonly places: PlaceState
  readonly policies: PolicyState
  readonly networks: NetworkState
  /** Of our own Services and ServiceEntries, under `namespace/hostname`. */
  readonly ownServices: Collection<ServiceFacts>
}

export function remoteState(inputs: MeshInputs, sources: RemoteSources): RemoteState {
  const { graph, mesh } = inputs
  const { places, networks, ownServices } = sources
  const services = remoteServices(inputs, sources)
  // What we keep to ourselves is ours alone, whatever others call the same.
  const isMerged = (name: string, fetch: Fetch): boolean => fetch.get(ownServices, name)?.scope !== 'local'
  const workloads = remoteWorkloads(inputs, { ...sources, services, isMerged })
  const byService = workloads.index((workload) => Object.keys(workload.services))
  const hiddenOf = (name: string, fetch: Fetch): readonly Workload[] => {
    const own = places.network(fetch)
    return fetch.find(byService, name, ({ network }) => network !== own)
  }
  const visible = graph.deriveMany<Workload, Address>(
    'visible remote workloads',
    workloads,
    (workload, fetch) => workloadsByName(workload.network === places.network(fetch) ? [workload] : []),
  )
  const standIns = graph.deriveMany<RemoteService, Address>(
    'split-horizon workloads',
    services.all,
    (each, fetch) => {
      const name = serviceName(each.service)
      const network = places.network(fetch, each.prefix)
      const gateway = networks.gatewayOf(network, fetch)
      const inNetwork = fetch.find(
        services.byName,
        name,
        ({ prefix }) => places.network(fetch, prefix) === network,
      )
      const members = hiddenOf(name, fetch).filter((workload) => workload.network === network)
      if (gateway === undefined || members.length === 0 || inNetwork[0] !== each) return new Map()
      const { trustDomain } = mesh
      return workloadsByName([splitHorizonWorkload(each.service, members, { gateway, trustDomain })])
    },
  )
  const others = graph.deriveMany<RemoteService, Address>(
    'services of others',
    services.all,
    (each, fetch) => {
      const name = serviceName(each.service)
      const [first, ...twins] = fetch.find(services.byName, name)
      if (first !== each || fetch.get(ownServices, name) !== undefined) return new Map()
      return servicesByName([
        mergeServices(
          each.service,
          twins.map(({ service }) => service),
          hiddenOf(name, fetch),
        ),
      ])
    },
  )
  return {
    addresses: graph.union<Address>('remote addresses', [visible, standIns, others]),
    merged: (service, fetch) => {
      const name = serviceName(service)
      const twins = fetch.find(services.byName, name).map((each) => each.service)
      return mergeServices(service, twins, hiddenOf(name, fetch))
    },
  }
}
