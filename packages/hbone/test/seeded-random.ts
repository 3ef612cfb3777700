export interface SeededRandom {
  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number
  bytes(length: number): Uint8Array<ArrayBuffer>
}

/** The same numbers for the same seed (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number): number => next() % limit
  return { below, bytes: (length) => Uint8Array.from({ length }, () => below(256)) }
}
