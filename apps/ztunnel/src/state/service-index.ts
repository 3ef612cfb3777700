import { addressKey, isAddressRange, type Service, serviceName, type Workload } from '@ambient/model'
import { CidrIndex } from './cidr-index.ts'
import { MultiIndex } from './multi-index.ts'
import { isVisible, preferredService } from './preferred-service.ts'
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
      if (isAddressRange(address))
        this.#byRange.add(address.network, address.ip, address.prefixLength, service)
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
      if (isAddressRange(address))
        this.#byRange.remove(address.network, address.ip, address.prefixLength, service)
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
    const exact = preferredService(this.#byVip.get(addressKey(network, ip)), clientNamespace)
    if (exact !== undefined) return exact
    const hits = this.#byRange.find(network, ip).filter(({ value }) => isVisible(value, clientNamespace))
    const inNamespace = hits.filter(({ value }) => value.namespace === clientNamespace)
    const pool = inNamespace.length > 0 ? inNamespace : hits
    const longest = Math.max(...pool.map(({ prefixLength }) => prefixLength))
    return preferredService(
      pool.filter(({ prefixLength }) => prefixLength === longest).map(({ value }) => value),
      clientNamespace,
    )
  }

  byHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return preferredService(this.#byHostname.get(hostname), clientNamespace)
  }

  allByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname)
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
