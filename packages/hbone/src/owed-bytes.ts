import { Arena, sys } from '@ambient/linux'

const FIRST_CHUNK_BYTES = 4096
const CHUNK_BYTES = 65_536

interface Chunk {
  readonly arena: Arena
  from: number
  to: number
}

/**
 * Copies of bytes that a socket did not take, in order. A chunk is filled before the next is made, so that a peer that
 * sends one byte a frame to an app that does not read costs no more than its bytes.
 */
export class OwedBytes {
  #chunks: Chunk[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Memory held, for tests. */
  get capacity(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.arena.bytes.length, 0)
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.#length += end - start
    let at = start
    while (at < end) {
      const chunk = this.#chunkWithRoom(end - at)
      const take = Math.min(end - at, chunk.arena.bytes.length - chunk.to)
      chunk.arena.bytes.set(bytes.subarray(at, at + take), chunk.to)
      chunk.to += take
      at += take
    }
  }

  /** Puts `bytes` before everything else. */
  prepend(bytes: Uint8Array): void {
    const arena = new Arena(bytes.length)
    arena.bytes.set(bytes)
    this.#chunks.unshift({ arena, from: 0, to: bytes.length })
    this.#length += bytes.length
  }

  /** One write(2). @returns How many bytes `fd` took; negative on failure, with `errno()`. Not to be called when empty. */
  writeTo(fd: number): number {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return 0
    const written = sys.write(fd, chunk.arena.at(chunk.from), chunk.to - chunk.from)
    if (written < 0) return written
    this.#length -= written
    chunk.from += written
    if (chunk.from === chunk.to) this.#chunks.shift()?.arena.free()
    return written
  }

  /** @returns How many bytes were dropped. */
  clear(): number {
    const dropped = this.#length
    for (const { arena } of this.#chunks) arena.free()
    this.#chunks = []
    this.#length = 0
    return dropped
  }

  #chunkWithRoom(wanted: number): Chunk {
    const last = this.#chunks.at(-1)
    if (last !== undefined && last.to < last.arena.bytes.length) return last
    const least = last === undefined ? FIRST_CHUNK_BYTES : CHUNK_BYTES
    const chunk = { arena: new Arena(Math.max(wanted, least)), from: 0, to: 0 }
    this.#chunks.push(chunk)
    return chunk
  }
}
