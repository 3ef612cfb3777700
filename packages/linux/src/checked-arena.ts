/** Debug mode only: an arena between guards, poisoned when it ends and kept for a while to see who still writes to it. */
import ffi from 'node:ffi'
import { addBlock, dropBlock, type MemoryBlock } from './memory-map.ts'
import { endForMisuse, stackHere } from './memory-misuse.ts'

const GUARD_BYTES = 64
const GUARD = 0xfa
const POISON = 0xdb
/** Freed memory that is kept. */
const MAX_KEPT_BYTES = 8 << 20
const MAX_KEPT = 1024

interface Kept {
  readonly bytes: Uint8Array
  readonly block: MemoryBlock
}

const kept: Kept[] = []
const quarantine = { bytes: 0 }

/**
 * What nobody frees stays for ever: weak references would stay as long too, since a thread of the byte path never comes
 * to the end of its turn.
 */
export class CheckedArena {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  readonly base: bigint
  readonly #block: MemoryBlock

  constructor(size: number) {
    const buffer = new ArrayBuffer(size + 2 * GUARD_BYTES)
    new Uint8Array(buffer, 0, GUARD_BYTES).fill(GUARD)
    new Uint8Array(buffer, GUARD_BYTES + size).fill(GUARD)
    this.bytes = new Uint8Array(buffer, GUARD_BYTES, size)
    this.view = new DataView(buffer, GUARD_BYTES, size)
    this.base = ffi.getRawPointer(buffer) + BigInt(GUARD_BYTES)
    this.#block = blockOf(buffer, size, this.base)
    addBlock(this.#block)
  }

  at(offset: number): bigint {
    const { freedAt, bytes } = this.#block
    if (freedAt !== undefined)
      endForMisuse('use after free', `at(${offset}) of an arena of ${bytes}`, freedAt)
    if (offset < 0 || offset > bytes) throw new RangeError(`Cannot point at offset ${offset} of ${bytes}`)
    return this.base + BigInt(offset)
  }

  hold(): void {
    if (this.#block.isHeld)
      endForMisuse('overwritten in use', 'an arena is held whose content is still being read')
    this.#block.isHeld = true
  }

  expire(length: number): void {
    this.#block.isHeld = false
    this.bytes.fill(POISON, 0, length)
  }

  free(): void {
    const block = this.#block
    if (block.freedAt !== undefined) endForMisuse('double free', `an arena of ${block.bytes}`, block.freedAt)
    block.checkGuards()
    const { bytes } = this
    bytes.fill(POISON)
    block.freedAt = stackHere()
    for (const name of ['bytes', 'view', 'base']) {
      const get = (): never => endForMisuse('use after free', `an arena of ${block.bytes}`, block.freedAt)
      Object.defineProperty(this, name, { get })
    }
    keep({ bytes, block })
  }
}

function blockOf(buffer: ArrayBuffer, size: number, base: bigint): MemoryBlock {
  const start = Number(base)
  const whole = new DataView(buffer)
  return {
    start,
    bytes: size,
    isHeld: false,
    freedAt: undefined,
    checkGuards: () => checkGuards(buffer, size),
    // Over the guards too: what stands at the end may be shorter than a pointer.
    pointerAt: (address) => whole.getBigUint64(GUARD_BYTES + address - start, true),
  }
}

function checkGuards(buffer: ArrayBuffer, size: number): void {
  const whole = new Uint8Array(buffer)
  for (let i = 0; i < GUARD_BYTES; i++) {
    if (whole[i] !== GUARD || whole[GUARD_BYTES + size + i] !== GUARD)
      endForMisuse('guard bytes overwritten', `of an arena of ${size}`)
  }
}

/** Until there is too much; then the oldest goes, if nobody has written to it since. */
function keep(entry: Kept): void {
  kept.push(entry)
  quarantine.bytes += entry.bytes.length
  while (quarantine.bytes > MAX_KEPT_BYTES || kept.length > MAX_KEPT) {
    const oldest = kept.shift()
    if (oldest === undefined) return
    quarantine.bytes -= oldest.bytes.length
    checkPoison(oldest)
    dropBlock(oldest.block)
  }
}

function checkPoison({ bytes, block }: Kept): void {
  if (bytes.every((byte) => byte === POISON)) return
  endForMisuse('write after free', `an arena of ${bytes.length}`, block.freedAt)
}
