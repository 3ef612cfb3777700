/** A bounded queue between a caller that must not wait and one `for await` loop. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #capacity: number
  readonly #items: T[] = []
  #isClosed = false
  #wake: (() => void) | undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** @returns false when the queue is full or closed; the item was not taken, and the caller counts the loss. */
  push(item: T): boolean {
    if (this.#isClosed || this.#items.length >= this.#capacity) return false
    this.#items.push(item)
    this.#wake?.()
    return true
  }

  /** Ends the loop once what is queued has been taken. */
  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  get size(): number {
    return this.#items.length
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      while (this.#items.length > 0) yield* this.#items.splice(0, 1) // one at a time: the rest still counts as queued
      if (this.#isClosed) return
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
      this.#wake = undefined
    }
  }
}
