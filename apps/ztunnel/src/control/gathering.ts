/** Questions to several threads at once: each is done when all have answered it. */
export class Gathering<T> {
  readonly #open = new Map<number, { left: number; got: T[]; done: (all: readonly T[]) => void }>()
  #requests = 0

  /** @param send Puts the question, under its number, to `count` threads. */
  async ask(count: number, send: (request: number) => void): Promise<readonly T[]> {
    const request = ++this.#requests
    const { promise, resolve } = Promise.withResolvers<readonly T[]>()
    this.#open.set(request, { left: count, got: [], done: resolve })
    send(request)
    return promise
  }

  answer(request: number, answer: T): void {
    const open = this.#open.get(request)
    if (open === undefined) return
    open.got.push(answer)
    if (--open.left > 0) return
    this.#open.delete(request)
    open.done(open.got)
  }
}
