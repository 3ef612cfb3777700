import { type Address, addressName, type Service, type Workload } from '@ambient/model'

export function workloadsByName(workloads: readonly Workload[]): ReadonlyMap<string, Address> {
  return byName(workloads.map((workload) => ({ kind: 'workload', workload })))
}

export function servicesByName(services: readonly Service[]): ReadonlyMap<string, Address> {
  return byName(services.map((service) => ({ kind: 'service', service })))
}

function byName(addresses: readonly Address[]): ReadonlyMap<string, Address> {
  return new Map(addresses.map((address) => [addressName(address), address]))
}
