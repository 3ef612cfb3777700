import ffi from 'node:ffi'
import { CheckedArena } from './checked-arena.ts'
import { isMemoryDebugged } from './memory-misuse.ts'

/** The null pointer. */
export const NULL = 0n

/**
 * Memory that C may keep a pointer to while the arena is alive: never resized, never transferred, never moved.
 * A small typed array made any other way may live in V8's moving heap or in a pool that somebody else frees.
 */
export interface Arena {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  /** Address of the first byte. */
  readonly base: bigint
  /** Address of the byte at `offset`. Only the offset is checked: compute a length from the same variable. */
  at(offset: number): bigint
  /** What is in it is being read: until `expire` nothing may be written to it. Like the next two, seen by the debug mode only. */
  hold(): void
  /** The first `length` bytes have served. */
  expire(length: number): void
  /** Its owner has done with it. */
  free(): void
}

class PlainArena implements Arena {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  readonly base: bigint

  constructor(size: number) {
    const buffer = new ArrayBuffer(size)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.base = ffi.getRawPointer(buffer)
  }

  at(offset: number): bigint {
    if (offset < 0 || offset > this.bytes.length) {
      throw new RangeError(`Cannot point at offset ${offset} of ${this.bytes.length}`)
    }
    return this.base + BigInt(offset)
  }

  hold(): void {}

  expire(_length: number): void {}

  free(): void {}
}

export const Arena: new (size: number) => Arena = isMemoryDebugged ? CheckedArena : PlainArena

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
  return withBytes(Buffer.from(`${text}\0`), (pointer, length) => use(pointer, length - 1))
}

/** As `withCString`, for a copy of `bytes`. */
export function withBytes<T>(bytes: Uint8Array, use: (pointer: bigint, length: number) => T): T {
  const arena = new Arena(Math.max(1, bytes.length))
  arena.bytes.set(bytes)
  try {
    return use(arena.base, bytes.length)
  } finally {
    arena.bytes.fill(0)
    arena.free()
  }
}
