import type { Change, Collection } from '@ambient/collections'
import type { Address } from '@ambient/model'
import type { MeshState } from '../translate/mesh-state.ts'
import type { PodFacts } from '../translate/pods/pod-facts.ts'
import type { SliceFacts } from '../translate/services/slice-facts.ts'

/** Numbers about a state that no single object tells, kept up with its changes: a look at all of it takes too long. */
export class MeshCounts {
  readonly #pods: Collection<PodFacts>
  readonly #onEndpointWithoutPod: () => void
  readonly #membersOf = new Map<string, number>()
  readonly #services = new Set<string>()
  #podsWithoutAddress = 0

  /** @param onEndpointWithoutPod Told of each endpoint that comes and names a pod which is not there. */
  constructor(
    { pods, slices, addresses }: Pick<MeshState, 'pods' | 'slices' | 'addresses'>,
    onEndpointWithoutPod: () => void,
  ) {
    this.#pods = pods
    this.#onEndpointWithoutPod = onEndpointWithoutPod
    pods.onChange((changes) => changes.forEach((change) => this.#onPod(change)))
    slices.onChange((changes) => changes.forEach((change) => this.#onSlice(change)))
    addresses.onChange((changes) => changes.forEach((change) => this.#onAddress(change)))
  }

  /** Pods that are not over, and that nobody is told of since they have no address. */
  get podsWithoutAddress(): number {
    return this.#podsWithoutAddress
  }

  /** Services that nothing is behind; those whose clients are sent where they dialled need nothing. */
  get servicesWithoutEndpoints(): number {
    return [...this.#services].filter((name) => !this.#membersOf.has(name)).length
  }

  #onPod({ before, after }: Change<PodFacts>): void {
    this.#podsWithoutAddress += Number(lacksAddress(after)) - Number(lacksAddress(before))
  }

  #onSlice({ before, after }: Change<SliceFacts>): void {
    const known = new Set(before?.pods.map(({ name }) => name))
    for (const { name, uid } of after?.pods ?? []) {
      if (known.has(name)) continue
      const pod = this.#pods.get(`${after?.namespace ?? ''}/${name}`)
      if (pod === undefined || (uid !== undefined && pod.uid !== uid)) this.#onEndpointWithoutPod()
    }
  }

  #onAddress({ key, before, after }: Change<Address>): void {
    for (const service of servicesOf(before)) this.#addMembers(service, -1)
    for (const service of servicesOf(after)) this.#addMembers(service, 1)
    if (after?.kind === 'service' && after.service.loadBalancing?.mode !== 'passthrough')
      this.#services.add(key)
    else this.#services.delete(key)
  }

  #addMembers(service: string, change: 1 | -1): void {
    const count = (this.#membersOf.get(service) ?? 0) + change
    if (count === 0) this.#membersOf.delete(service)
    else this.#membersOf.set(service, count)
  }
}

function lacksAddress(pod: PodFacts | undefined): boolean {
  return pod !== undefined && pod.ips.length === 0 && pod.phase !== 'Failed' && pod.phase !== 'Succeeded'
}

function servicesOf(address: Address | undefined): readonly string[] {
  return address?.kind === 'workload' ? Object.keys(address.workload.services) : []
}
