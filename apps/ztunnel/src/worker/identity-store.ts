import { errorText } from '@ambient/lifecycle'
import type { SpiffeId } from '@ambient/spiffe'
import type { TlsContext } from '@ambient/tls'
import type { IdentityMaterial } from './messages.ts'

export type IdentityAnswer =
  | { readonly kind: 'ready'; readonly context: TlsContext }
  | { readonly kind: 'unavailable'; readonly detail: string }

export interface Wait {
  cancel(): void
}

export interface IdentityStoreDeps {
  readonly makeContext: (material: IdentityMaterial) => TlsContext
  /** Asks the control thread for a certificate that a connection waits for. */
  readonly request: (id: SpiffeId) => void
  readonly after: (delayMs: number, fire: () => void) => Wait
  readonly waitMs: number
}

interface Waiter {
  readonly use: (answer: IdentityAnswer) => void
  readonly timer: Wait
}

/** A context is made when the first connection needs it: most identities of a node are idle at its start. */
interface Held {
  readonly material: IdentityMaterial
  answer: IdentityAnswer | undefined
}

const NO_WAIT: Wait = { cancel: () => {} }

/**
 * TLS contexts by SPIFFE ID on one byte thread. A rotation replaces the context; connections made from the old one
 * keep it alive by OpenSSL's own reference count.
 */
export class IdentityStore {
  readonly #deps: IdentityStoreDeps
  readonly #held = new Map<SpiffeId, Held>()
  readonly #waiting = new Map<SpiffeId, Set<Waiter>>()

  constructor(deps: IdentityStoreDeps) {
    this.#deps = deps
  }

  get(id: SpiffeId): TlsContext | undefined {
    const answer = this.#known(id)
    return answer?.kind === 'ready' ? answer.context : undefined
  }

  /** Calls `use` exactly once: in this call when the certificate is here, else when it comes, is refused, or `waitMs` are over. */
  withContext(id: SpiffeId, use: (answer: IdentityAnswer) => void): Wait {
    const known = this.#known(id)
    if (known !== undefined) {
      use(known)
      return NO_WAIT
    }
    const waiters = this.#waiting.get(id) ?? new Set<Waiter>()
    const leave = (): void => {
      waiter.timer.cancel()
      waiters.delete(waiter)
      if (waiters.size === 0 && this.#waiting.get(id) === waiters) this.#waiting.delete(id)
    }
    const timer = this.#deps.after(this.#deps.waitMs, () => {
      leave()
      use({ kind: 'unavailable', detail: `no certificate for ${id} within ${this.#deps.waitMs} ms` })
    })
    const waiter: Waiter = { use, timer }
    waiters.add(waiter)
    this.#waiting.set(id, waiters)
    if (waiters.size === 1) this.#deps.request(id)
    return { cancel: leave }
  }

  put(id: SpiffeId, material: IdentityMaterial): void {
    this.forget(id)
    this.#held.set(id, { material, answer: undefined })
    if (!this.#waiting.has(id)) return
    const answer = this.#known(id)
    if (answer !== undefined) this.#answer(id, answer)
  }

  /** The control thread could not get one: whoever waits is told why. A context that is still here stays in use. */
  refuse(id: SpiffeId, detail: string): void {
    this.#answer(id, { kind: 'unavailable', detail })
  }

  forget(id: SpiffeId): void {
    const answer = this.#held.get(id)?.answer
    if (answer?.kind === 'ready') answer.context.free()
    this.#held.delete(id)
  }

  #known(id: SpiffeId): IdentityAnswer | undefined {
    const held = this.#held.get(id)
    if (held === undefined) return undefined
    held.answer ??= this.#contextOf(held.material)
    return held.answer
  }

  /** A certificate that OpenSSL does not take is none; its successor may be one. */
  #contextOf(material: IdentityMaterial): IdentityAnswer {
    try {
      return { kind: 'ready', context: this.#deps.makeContext(material) }
    } catch (cause) {
      return { kind: 'unavailable', detail: errorText(cause) }
    }
  }

  #answer(id: SpiffeId, answer: IdentityAnswer): void {
    const waiters = this.#waiting.get(id)
    if (waiters === undefined) return
    this.#waiting.delete(id)
    for (const { use, timer } of waiters) {
      timer.cancel()
      use(answer)
    }
  }
}
