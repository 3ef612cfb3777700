import { addressKey, type Workload } from '@ambient/model'
import { MultiIndex } from './multi-index.ts'

export interface LocalName {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** Workloads by UID, by address, by name and by host name. Each change costs as much as the workload has addresses. */
export class WorkloadIndex {
  readonly #byUid = new Map<string, Workload>()
  readonly #byAddress = new MultiIndex<Workload>()
  readonly #byName = new MultiIndex<Workload>()
  readonly #byHostname = new MultiIndex<Workload>()

  put(workload: Workload): Workload | undefined {
    const before = this.remove(workload.uid)
    this.#byUid.set(workload.uid, workload)
    for (const key of addressKeys(workload)) this.#byAddress.add(key, workload)
    this.#byName.add(nameKey(workload), workload)
    if (workload.hostname !== '') this.#byHostname.add(hostnameKey(workload), workload)
    return before
  }

  remove(uid: string): Workload | undefined {
    const before = this.#byUid.get(uid)
    if (before === undefined) return undefined
    this.#byUid.delete(uid)
    for (const key of addressKeys(before)) this.#byAddress.remove(key, before)
    this.#byName.remove(nameKey(before), before)
    if (before.hostname !== '') this.#byHostname.remove(hostnameKey(before), before)
    return before
  }

  get(uid: string): Workload | undefined {
    return this.#byUid.get(uid)
  }

  /** Several workloads may claim one address, an old pod and its successor for example; the likeliest is returned. */
  byAddress(network: string, ip: string): Workload | undefined {
    return best(this.#byAddress.get(addressKey(network, ip)))
  }

  byName(name: LocalName): Workload | undefined {
    return best(this.#byName.get(nameKey(name)))
  }

  byHostname(namespace: string, hostname: string): Workload | undefined {
    return best(this.#byHostname.get(hostnameKey({ namespace, hostname })))
  }

  values(): IterableIterator<Workload> {
    return this.#byUid.values()
  }

  get size(): number {
    return this.#byUid.size
  }
}

/** A pod on the host's network shares its address with the node: that address names no workload. */
function addressKeys(workload: Workload): readonly string[] {
  if (workload.networkMode === 'host-network') return []
  return workload.addresses.map((ip) => addressKey(workload.network, ip))
}

function nameKey({ namespace, name, serviceAccount }: LocalName): string {
  return `${namespace}/${name}/${serviceAccount}`
}

function hostnameKey({ namespace, hostname }: Pick<Workload, 'namespace' | 'hostname'>): string {
  return `${namespace}/${hostname}`
}

function best(workloads: readonly Workload[]): Workload | undefined {
  let winner = workloads[0]
  for (const workload of workloads) {
    if (winner !== undefined && rank(workload) > rank(winner)) winner = workload
  }
  return winner
}

function rank(workload: Workload): number {
  return (workload.uid.includes('//Pod/') ? 2 : 0) + (workload.tunnelProtocol === 'hbone' ? 1 : 0)
}
