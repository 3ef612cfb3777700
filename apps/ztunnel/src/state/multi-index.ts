/** Several values under one key, in the order in which they came. Most keys hold one value, so a key costs one array. */
export class MultiIndex<V> {
  readonly #lists = new Map<string, V[]>()

  add(key: string, value: V): void {
    const list = this.#lists.get(key)
    if (list === undefined) this.#lists.set(key, [value])
    else list.push(value)
  }

  remove(key: string, value: V): void {
    const list = this.#lists.get(key)
    const at = list?.indexOf(value) ?? -1
    if (list === undefined || at < 0) return
    if (list.length === 1) this.#lists.delete(key)
    else list.splice(at, 1)
  }

  get(key: string): readonly V[] {
    return this.#lists.get(key) ?? []
  }
}
