import { type Address, type Service, serviceName, type Workload } from '@ambient/model'
import { type AuthorizationPolicy, type CompiledPolicies, policyKey } from '@ambient/policy'
import { dumpMesh, type MeshDump } from './dump-mesh.ts'
import { PolicyIndex, type PolicySubject, type WorkloadPolicies } from './policy-index.ts'
import { type EndpointSet, ServiceIndex } from './service-index.ts'
import { type LocalName, WorkloadIndex } from './workload-index.ts'

/** What one response of the control plane changes; plain data that crosses to the byte threads. */
export interface MeshDelta {
  readonly addresses: { readonly upserts: readonly Address[]; readonly removed: readonly string[] }
  readonly policies: { readonly upserts: readonly AuthorizationPolicy[]; readonly removed: readonly string[] }
}

export interface WorkloadChange {
  readonly before: Workload | undefined
  readonly after: Workload | undefined
}

/** What a delta touched, for closing connections and for asking for certificates ahead. */
export interface MeshChange {
  readonly version: number
  /** By UID. */
  readonly workloads: ReadonlyMap<string, WorkloadChange>
  /** Names `ns/hostname`. */
  readonly services: ReadonlySet<string>
  /** Keys `ns/name`. */
  readonly policies: ReadonlySet<string>
}

/**
 * All that is known of the mesh, indexed for the questions a connection asks. Each thread has its own copy and applies
 * the same deltas; nothing is decided between the parts of one delta.
 */
export class MeshSnapshot {
  readonly #workloads = new WorkloadIndex()
  readonly #services = new ServiceIndex()
  readonly #policies = new PolicyIndex()
  #version = 0

  /** Removals come before upserts, so that a thing that moved to another name is never gone in between. */
  apply(delta: MeshDelta): MeshChange {
    const workloads = new Map<string, WorkloadChange>()
    const services = new Set<string>()
    const policies = new Set<string>()
    const moved = (before: Workload | undefined, after: Workload | undefined): void => {
      const uid = after?.uid ?? before?.uid
      if (uid === undefined) return
      this.#services.moveEndpoints(before, after)
      workloads.set(uid, { before: workloads.get(uid)?.before ?? before, after })
    }
    for (const name of delta.addresses.removed) {
      // A name is a UID if one is known by it; a host name never holds a slash, so anything else is nobody's.
      if (this.#workloads.get(name) !== undefined) moved(this.#workloads.remove(name), undefined)
      else if (this.#services.remove(name)) services.add(name)
    }
    for (const address of delta.addresses.upserts) {
      if (address.kind === 'workload') {
        moved(this.#workloads.put(address.workload), address.workload)
      } else {
        this.#services.put(address.service)
        services.add(serviceName(address.service))
      }
    }
    for (const key of delta.policies.removed) {
      if (this.#policies.remove(key)) policies.add(key)
    }
    for (const policy of delta.policies.upserts) {
      this.#policies.put(policy)
      policies.add(policyKey(policy))
    }
    this.#version += 1
    return { version: this.#version, workloads, services, policies }
  }

  /** How many deltas were applied. */
  get version(): number {
    return this.#version
  }

  get workloadCount(): number {
    return this.#workloads.size
  }

  workload(uid: string): Workload | undefined {
    return this.#workloads.get(uid)
  }

  workloadByAddress(network: string, ip: string): Workload | undefined {
    return this.#workloads.byAddress(network, ip)
  }

  /** A workload that is known by a name of its own, a VM for example. */
  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    return this.#workloads.byHostname(namespace, hostname)
  }

  /** The pod as the CNI agent named it. */
  localWorkload(name: LocalName): Workload | undefined {
    return this.#workloads.byName(name)
  }

  service(name: string): Service | undefined {
    return this.#services.get(name)
  }

  /** @param clientNamespace Who asks; `undefined` sees services of every namespace. */
  serviceByVip(network: string, ip: string, clientNamespace: string | undefined): Service | undefined {
    return this.#services.byVip(network, ip, clientNamespace)
  }

  serviceByHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return this.#services.byHostname(hostname, clientNamespace)
  }

  /** Every service of that name, whoever may see it. */
  servicesByHostname(hostname: string): readonly Service[] {
    return this.#services.allByHostname(hostname)
  }

  endpointsOf(service: Service): EndpointSet {
    return this.#services.endpoints(serviceName(service))
  }

  policiesFor(workload: PolicySubject): WorkloadPolicies {
    return this.#policies.for(workload)
  }

  /** The same policies, ready to decide. Kept until a policy changes. */
  compiledPoliciesFor(workload: PolicySubject): CompiledPolicies {
    return this.#policies.compiledFor(workload)
  }

  /** Everything, in the keys of upstream's `/config_dump`. */
  dump(): MeshDump {
    return dumpMesh({
      workloads: [...this.#workloads.values()],
      services: [...this.#services.values()].map((service) => ({
        service,
        endpoints: this.endpointsOf(service),
      })),
      staged: [...this.#services.staged()],
      policies: this.#policies.values(),
    })
  }
}
