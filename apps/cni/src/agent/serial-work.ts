/** Runs work for one key strictly one after the other; keys do not wait for each other. */
export class SerialWork {
  readonly #tails = new Map<string, Promise<void>>()

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(work)
    const tail = result.then(
      () => {},
      () => {}, // the caller has the failure; the next one only waits
    )
    this.#tails.set(key, tail)
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    return result
  }

  /** Resolves when nothing that was given until now is still running. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
