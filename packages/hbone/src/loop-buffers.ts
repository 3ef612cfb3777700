import { Arena } from '@ambient/linux'
import type { HboneLimits } from './limits.ts'

const MAX_SEGMENTS = 64
const VECTOR_BYTES = 16
const MAX_VECTORS = 256

/** Pieces of the receive arena that belong to one tunnel, delivered with one writev(2). */
export class SegmentList {
  readonly #starts = new Int32Array(MAX_SEGMENTS)
  readonly #lengths = new Int32Array(MAX_SEGMENTS)
  #count = 0
  #totalBytes = 0

  get count(): number {
    return this.#count
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  get isFull(): boolean {
    return this.#count === MAX_SEGMENTS
  }

  startOf(index: number): number {
    return this.#starts[index] ?? 0
  }

  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0
  }

  add(start: number, length: number): void {
    this.#starts[this.#count] = start
    this.#lengths[this.#count++] = length
    this.#totalBytes += length
  }

  clear(): void {
    this.#count = 0
    this.#totalBytes = 0
  }
}

/** The struct iovec array of readv(2) and writev(2). */
export class VectorList {
  readonly #arena = new Arena(VECTOR_BYTES * MAX_VECTORS)

  get base(): bigint {
    return this.#arena.base
  }

  set(index: number, address: bigint, length: number): void {
    const { view } = this.#arena
    view.setBigUint64(index * VECTOR_BYTES, address, true)
    // The upper half of the length stays 0.
    view.setUint32(index * VECTOR_BYTES + 8, length, true)
  }
}

/** Shared by all connections of one loop; what is in them is valid only inside one call. */
export class LoopBuffers {
  readonly receive: Arena
  readonly staging: Arena
  readonly segments: SegmentList = new SegmentList()
  readonly vectors: VectorList = new VectorList()
  /** For the answers of system calls. */
  readonly answer: Arena = new Arena(8)

  constructor(limits: HboneLimits) {
    this.receive = new Arena(limits.stagingBytes)
    this.staging = new Arena(limits.stagingBytes)
  }
}
