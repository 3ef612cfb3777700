import ffi from 'node:ffi'

/** The null pointer. */
export const NULL = 0n

/**
 * Memory that C may keep a pointer to while the arena is alive: never resized, never transferred, never moved.
 * A small typed array made any other way may live in V8's moving heap or in a pool that somebody else frees.
 */
export class Arena {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  /** Address of the first byte. */
  readonly base: bigint

  constructor(size: number) {
    const buffer = new ArrayBuffer(size)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.base = ffi.getRawPointer(buffer)
  }

  /** Address of the byte at `offset`. Only the offset is checked: compute a length from the same variable. */
  at(offset: number): bigint {
    if (offset < 0 || offset > this.bytes.length) {
      throw new RangeError(`Cannot point at offset ${offset} of ${this.bytes.length}`)
    }
    return this.base + BigInt(offset)
  }
}

/** Copies `length` bytes at a foreign address; the result is ours. */
export function copyOut(pointer: bigint, length: number): Buffer {
  return ffi.toBuffer(pointer, length, true)
}

/**
 * Lends C a NUL-terminated copy of `text` for the length of one call of `use`, then wipes it. The copy is kept alive
 * until `use` returns: an address alone is a number and keeps nothing.
 *
 * @param use Gets the address and the length in bytes without the NUL.
 */
export function withCString<T>(text: string, use: (pointer: bigint, length: number) => T): T {
  const bytes = Buffer.from(`${text}\0`)
  const arena = new Arena(bytes.length)
  arena.bytes.set(bytes)
  try {
    return use(arena.base, bytes.length - 1)
  } finally {
    arena.bytes.fill(0)
  }
}
