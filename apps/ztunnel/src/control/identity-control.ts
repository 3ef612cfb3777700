import { deadline, errorText } from '@ambient/lifecycle'
import type { Workload } from '@ambient/model'
import { type SpiffeId, spiffeId } from '@ambient/spiffe'
import { limitValues } from '@ambient/telemetry'
import { HANDOVER_LIMITS } from '@ambient/zds'
import type { MeshChange } from '../state/mesh-snapshot.ts'
import type { SvidCache } from '../svid/svid-cache.ts'
import type { WorkerPool } from './worker-pool.ts'

/**
 * Joins the certificates of this node to the byte threads: what they ask for is fetched first, what runs here is
 * fetched before anybody asks, what no longer runs here is forgotten.
 */
export class IdentityControl {
  readonly #cache: SvidCache
  readonly #workers: WorkerPool
  readonly #nodeName: string | undefined
  /** Identity of each local workload, by UID. */
  readonly #local = new Map<string, SpiffeId>()
  readonly #uses = new Map<SpiffeId, number>()

  /** @param nodeName Whose workloads' certificates are fetched ahead; undefined for none. */
  constructor(cache: SvidCache, workers: WorkerPool, nodeName: string | undefined) {
    this.#cache = cache
    this.#workers = workers
    this.#nodeName = nodeName
    cache.onChange(({ id, state }) => {
      switch (state.kind) {
        case 'available': {
          const { certificateChainPem, privateKeyPem, trustBundlePem } = state.svid
          return workers.broadcast({
            kind: 'identity',
            id,
            material: { certificateChainPem, privateKeyPem, trustBundlePem },
          })
        }
        case 'unavailable':
        case 'forgotten':
          // An expired certificate is of no use: the next connection asks, and waits for a new one.
          return workers.broadcast({ kind: 'forget-identity', id })
        case 'initializing':
      }
    })
  }

  /** A connection waits in some byte thread. */
  needed(id: SpiffeId): void {
    this.#cache.demand(id, 'real-time').catch((cause: unknown) => {
      const detail = errorText(cause)
      this.#workers.broadcast({ kind: 'identity-unavailable', id, detail })
    })
  }

  /** Whether the certificate of a workload of this node is here, or comes within a short wait; none is needed for some. */
  async isReady(uid: string): Promise<boolean> {
    const id = this.#local.get(uid)
    if (id === undefined) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    using limit = deadline(undefined, limitValues(HANDOVER_LIMITS).handoverCertificateMs)
    limit.signal.addEventListener('abort', () => resolve(false))
    this.#cache.demand(id, 'warm-up').then(
      () => resolve(true),
      () => resolve(false),
    )
    return await promise
  }

  changed({ workloads }: MeshChange): void {
    for (const [uid, { after }] of workloads) this.#follow(uid, after)
  }

  #follow(uid: string, workload: Workload | undefined): void {
    const before = this.#local.get(uid)
    const isOurs =
      workload !== undefined &&
      workload.node === this.#nodeName &&
      (workload.tunnelProtocol === 'hbone' || workload.nativeTunnel)
    const now = isOurs ? spiffeId(workload) : undefined
    if (before === now) return
    if (now !== undefined) {
      this.#local.set(uid, now)
      this.#count(now, 1)
      this.#cache.prefetch(now)
    } else this.#local.delete(uid)
    if (before !== undefined && this.#count(before, -1) === 0) this.#cache.forget(before)
  }

  #count(id: SpiffeId, by: 1 | -1): number {
    const uses = (this.#uses.get(id) ?? 0) + by
    if (uses === 0) this.#uses.delete(id)
    else this.#uses.set(id, uses)
    return uses
  }
}
