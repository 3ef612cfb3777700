/** Lets one at a time do its work. Whoever comes meanwhile is not kept waiting, but told when to try again. */
export class Turns {
  readonly #onFree: (key: string) => void
  readonly #waiting = new Set<string>()
  #isTaken = false

  /** @param onFree Told of each who came in vain, once somebody else may. */
  constructor(onFree: (key: string) => void) {
    this.#onFree = onFree
  }

  /** @returns whether it was `key`'s turn; then `work` has been done. @throws whatever `work` throws */
  async take(key: string, work: () => Promise<void>): Promise<boolean> {
    if (this.#isTaken) {
      this.#waiting.add(key)
      return false
    }
    this.#isTaken = true
    try {
      await work()
      return true
    } finally {
      this.#isTaken = false
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const each of waiting) this.#onFree(each)
    }
  }
}
