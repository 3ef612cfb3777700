import {
  addressKey,
  isIpv6,
  type NetworkAddress,
  type Service,
  serviceName,
  type Workload,
} from '@ambient/model'
import { CidrIndex } from './cidr-index.ts'
import { MultiIndex } from './multi-index.ts'
import { SelectionCache } from './selection-cache.ts'

/** The members of one service, whether or not the service itself has arrived. */
export interface EndpointSet {
  readonly workloads: ReadonlyMap<string, Workload>
  readonly selections: SelectionCache
}

interface OwnedEndpointSet extends EndpointSet {
  readonly workloads: Map<string, Workload>
}

/** Services by name, host name and virtual IP, with their endpoints, which may come before the service does. */
export class ServiceIndex {
  readonly #byName = new Map<string, Service>()
  readonly #endpoints = new Map<string, OwnedEndpointSet>()
  readonly #byHostname = new MultiIndex<Service>()
  readonly #byVip = new MultiIndex<Service>()
  readonly #byRange = new CidrIndex<Service>()

  put(service: Service): void {
    const name = serviceName(service)
    this.remove(name)
    this.#byName.set(name, service)
    this.#byHostname.add(service.hostname, service)
    for (const address of service.addresses) {
      if (isRange(address)) this.#byRange.add(address.network, address.ip, address.prefixLength, service)
      else this.#byVip.add(addressKey(address.network, address.ip), service)
    }
  }

  /** Endpoints stay: they belong to their workloads. @returns whether the service was known. */
  remove(name: string): boolean {
    const service = this.#byName.get(name)
    if (service === undefined) return false
    this.#byName.delete(name)
    this.#endpoints.get(name)?.selections.clear()
    this.#byHostname.remove(service.hostname, service)
    for (const address of service.addresses) {
      if (isRange(address)) this.#byRange.remove(address.network, address.ip, address.prefixLength, service)
      else this.#byVip.remove(addressKey(address.network, address.ip), service)
    }
    return true
  }

  /** Enters `workload` in its services, after taking `before`, the same workload as it was, out of its own. */
  moveEndpoints(before: Workload | undefined, workload: Workload | undefined): void {
    for (const name of Object.keys(before?.services ?? {})) {
      const set = this.#endpoints.get(name)
      if (set === undefined || before === undefined) continue
      set.workloads.delete(before.uid)
      set.selections.clear()
      if (set.workloads.size === 0) this.#endpoints.delete(name)
    }
    if (workload === undefined) return
    for (const name of Object.keys(workload.services)) {
      const set = this.#endpoints.get(name) ?? {
        workloads: new Map<string, Workload>(),
        selections: new SelectionCache(),
      }
      set.workloads.set(workload.uid, workload)
      set.selections.clear()
      this.#endpoints.set(name, set)
    }
  }

  get(name: string): Service | undefined {
    return this.#byName.get(name)
  }

  endpoints(name: string): EndpointSet {
    return this.#endpoints.get(name) ?? { workloads: new Map(), selections: new SelectionCache() }
  }

  /** Exact virtual IPs first; of ranges, the client's namespace, then the longer prefix, then a canonical service. */
  byVip(network: string, ip: string, clientNamespace: string | undefined): Service | undefined {
    const exact = preferred(this.#byVip.get(addressKey(network, ip)), clientNamespace)
    if (exact !== undefined) return exact
    const hits = this.#byRange.find(network, ip).filter(({ value }) => isVisible(value, clientNamespace))
    const inNamespace = hits.filter(({ value }) => value.namespace === clientNamespace)
    const pool = inNamespace.length > 0 ? inNamespace : hits
    const longest = Math.max(...pool.map(({ prefixLength }) => prefixLength))
    return preferred(
      pool.filter(({ prefixLength }) => prefixLength === longest).map(({ value }) => value),
      clientNamespace,
    )
  }

  byHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return preferred(this.#byHostname.get(hostname), clientNamespace)
  }

  values(): IterableIterator<Service> {
    return this.#byName.values()
  }

  /** Endpoints that wait for their service, by its name. */
  *staged(): Generator<readonly [string, EndpointSet]> {
    for (const [name, set] of this.#endpoints) {
      if (!this.#byName.has(name)) yield [name, set]
    }
  }
}

function isRange(address: NetworkAddress): address is NetworkAddress & { readonly prefixLength: number } {
  return address.prefixLength !== undefined && address.prefixLength < (isIpv6(address.ip) ? 128 : 32)
}

/** Without a client namespace everything is visible. */
function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return (
    service.visibility === 'public' || clientNamespace === undefined || service.namespace === clientNamespace
  )
}

/** The client's own namespace, then a canonical service, then the first. */
function preferred(services: readonly Service[], clientNamespace: string | undefined): Service | undefined {
  const visible =
    services.length <= 1 ? services : services.filter((service) => isVisible(service, clientNamespace))
  const own = visible.find((service) => service.namespace === clientNamespace)
  const found = own ?? visible.find((service) => service.canonical) ?? visible[0]
  return found !== undefined && isVisible(found, clientNamespace) ? found : undefined
}
