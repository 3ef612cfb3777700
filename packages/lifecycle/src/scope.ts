import type { Duplex } from 'node:stream'

/** Owns a lifetime: one signal, a stack of things to release, and a parent that can end it. */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController()
  readonly #stack = new AsyncDisposableStack()

  constructor(parent?: AbortSignal) {
    const onParentAbort = (): void => this.#controller.abort(parent?.reason)
    if (parent?.aborted === true) onParentAbort()
    parent?.addEventListener('abort', onParentAbort)
    this.#stack.defer(() => parent?.removeEventListener('abort', onParentAbort))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Releases `resource`, last in first out, when the scope ends. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource)
  }

  /** Runs `release` when the scope ends, in the same order as everything else it owns. */
  defer(release: () => void | Promise<void>): void {
    this.#stack.defer(release)
  }

  /** Owns `stream`: destroyed when the scope ends, and never an uncaught 'error' before that. */
  owns<S extends Duplex>(stream: S): S {
    stream.on('error', () => {}) // between accept and copy nobody else listens; copy reports it
    this.#stack.defer(() => void stream.destroy())
    return stream
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Aborting our own controller lets go of composites that AbortSignal.any() made over it (node issue 64476).
    this.#controller.abort(new DOMException('Scope ended', 'AbortError'))
    await this.#stack.disposeAsync()
  }
}
