/**
 * Joins concurrent requests for one key to one call. A call that ends, well or badly, is forgotten, so the next
 * request starts a new one; `make` must bring its own deadline, since every joined caller waits for it.
 */
export class SingleFlight<V> {
  readonly #flights = new Map<string, Promise<V>>()

  run(key: string, make: () => Promise<V>): Promise<V> {
    const flying = this.#flights.get(key)
    if (flying !== undefined) return flying
    const flight = this.#fly(key, make)
    this.#flights.set(key, flight)
    return flight
  }

  get size(): number {
    return this.#flights.size
  }

  async #fly(key: string, make: () => Promise<V>): Promise<V> {
    try {
      await Promise.resolve() // so that a `make` that throws at once still finds its own entry to remove
      return await make()
    } finally {
      this.#flights.delete(key)
    }
  }
}
