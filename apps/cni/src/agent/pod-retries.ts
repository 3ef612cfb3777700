import { Backoff, type Random } from '@ambient/lifecycle'
import { cniLimits } from './cni-limits.ts'

/** When each pod is looked at again by itself. */
export class PodRetries implements Disposable {
  readonly #pods = new Map<string, { readonly backoff: Backoff; timer: NodeJS.Timeout | undefined }>()
  readonly #random: Random
  readonly #look: (uid: string) => void

  constructor(random: Random, look: (uid: string) => void) {
    this.#random = random
    this.#look = look
  }

  /** It is being looked at now; how often it failed is remembered. */
  started(uid: string): void {
    clearTimeout(this.#pods.get(uid)?.timer)
  }

  /** It is where it should be. */
  succeeded(uid: string): void {
    this.#pods.delete(uid)
  }

  /** Later each time. */
  failed(uid: string): void {
    this.after(uid, this.#of(uid).backoff.nextMs())
  }

  after(uid: string, ms: number): void {
    const retry = this.#of(uid)
    clearTimeout(retry.timer)
    retry.timer = setTimeout(() => this.#look(uid), ms)
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#pods.values()) clearTimeout(timer)
    this.#pods.clear()
  }

  #of(uid: string): { readonly backoff: Backoff; timer: NodeJS.Timeout | undefined } {
    const known = this.#pods.get(uid)
    if (known !== undefined) return known
    const { retryFirstMs: firstMs, retryMaxMs: maxMs } = cniLimits
    const made = {
      backoff: new Backoff({ firstMs, factor: 2, maxMs, jitter: 0.2 }, this.#random),
      timer: undefined,
    }
    this.#pods.set(uid, made)
    return made
  }
}
