import type { Clock } from '@ambient/lifecycle'
import { Field, type UnknownRecord } from '../field.ts'
import type { OwnerReference } from '../kube-object.ts'
import type { LeaseAnswer, LeaseRequest } from '../resource-source.ts'
import { type ApiClient, ApiError } from './api-client.ts'

export interface LeaseDeps {
  readonly client: ApiClient
  readonly clock: Clock
  /** Where leases are kept. */
  readonly namespace: string
  /** What leases that are made here belong to, and go with. */
  readonly owners: () => Promise<readonly OwnerReference[]>
}

/** What is seen of a lease: who holds it, and since when by our own clock. */
interface Seen {
  readonly text: string
  readonly sinceMs: number
}

/**
 * Leader election on `coordination.k8s.io` Leases. Expiry goes by this process's own clock from the moment it saw the
 * lease renewed, as client-go does, so that clocks of several machines need not agree.
 *
 * @see Kubernetes Lease API; client-go `leaderelection`
 */
export class ApiLeases {
  readonly #deps: LeaseDeps
  readonly #seen = new Map<string, Seen>()

  constructor(deps: LeaseDeps) {
    this.#deps = deps
  }

  async take(name: string, request: LeaseRequest): Promise<LeaseAnswer> {
    try {
      return await this.#attempt(name, request)
    } catch (cause) {
      // Somebody else was faster: what they wrote decides.
      if (cause instanceof ApiError && cause.code === 'API_CONFLICT') return this.#attempt(name, request)
      throw cause
    }
  }

  async #attempt(name: string, request: LeaseRequest): Promise<LeaseAnswer> {
    const current = await this.#read(name)
    if (current === undefined)
      return request.durationMs === 0 ? { kind: 'released' } : this.#write(name, request, undefined)
    const spec = new Field(`Lease ${name}`, current).get('spec')
    const holder = spec.get('holderIdentity').text() ?? ''
    const expiresAtMs = this.#expiryOf(name, spec)
    const isFree = holder === '' || holder === request.holder || expiresAtMs <= this.#deps.clock.nowMs()
    if (request.durationMs === 0 && holder !== request.holder) return { kind: 'released' }
    return isFree ? this.#write(name, request, current) : { kind: 'taken', holder, expiresAtMs }
  }

  #expiryOf(name: string, spec: Field): number {
    const { clock } = this.#deps
    const text = JSON.stringify([
      spec.get('holderIdentity').text(),
      spec.get('renewTime').text(),
      spec.get('leaseTransitions').integer(),
    ])
    const seen = this.#seen.get(name)
    const now = seen?.text === text ? seen : { text, sinceMs: clock.nowMs() }
    this.#seen.set(name, now)
    return now.sinceMs + (spec.get('leaseDurationSeconds').integer() ?? 0) * 1000
  }

  async #read(name: string): Promise<UnknownRecord | undefined> {
    try {
      return await this.#deps.client.send({ method: 'GET', path: this.#path(name) })
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'OBJECT_NOT_FOUND') return undefined
      throw cause
    }
  }

  async #write(
    name: string,
    request: LeaseRequest,
    current: UnknownRecord | undefined,
  ): Promise<LeaseAnswer> {
    const { client, clock } = this.#deps
    const now = `${new Date(clock.nowMs()).toISOString().slice(0, -1)}000Z`
    const before = new Field(`Lease ${name}`, current)
    const spec = before.get('spec')
    const isRenewal = spec.get('holderIdentity').text() === request.holder
    const isReleased = request.durationMs === 0
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      // What else is said of a lease, such as whose it is, stays as it is.
      metadata: current === undefined ? await this.#newMetadata(name) : before.get('metadata').record(),
      spec: {
        holderIdentity: isReleased ? '' : request.holder,
        leaseDurationSeconds: Math.max(1, Math.ceil(request.durationMs / 1000)),
        acquireTime: (isRenewal ? spec.get('acquireTime').text() : undefined) ?? now,
        renewTime: now,
        leaseTransitions: (spec.get('leaseTransitions').integer() ?? 0) + (isRenewal ? 0 : 1),
      },
    }
    await (current === undefined
      ? client.send({ method: 'POST', path: this.#path(), body })
      : client.send({ method: 'PUT', path: this.#path(name), body }))
    if (isReleased) return { kind: 'released' }
    return { kind: 'held', expiresAtMs: clock.nowMs() + request.durationMs }
  }

  async #newMetadata(name: string): Promise<UnknownRecord> {
    const { namespace, owners } = this.#deps
    const ownerReferences = await owners()
    return { name, namespace, ...(ownerReferences.length === 0 ? {} : { ownerReferences }) }
  }

  #path(name?: string): string {
    const all = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(this.#deps.namespace)}/leases`
    return name === undefined ? all : `${all}/${encodeURIComponent(name)}`
  }
}
