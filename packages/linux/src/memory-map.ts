/** Debug mode only: which native memory of this thread C may be given, and which is over. */
import { endForMisuse } from './memory-misuse.ts'

/** Memory of ours, between two guards. */
export interface MemoryBlock {
  readonly start: number
  readonly bytes: number
  /** Its content is being read: C must not write to it. */
  isHeld: boolean
  /** Where it was freed. */
  freedAt: Error | undefined
  /** Reports a guard that somebody wrote over. */
  checkGuards(): void
  /** The 8 bytes at an address of it. */
  pointerAt(address: number): bigint
}

export type SpanUse = 'read' | 'written'

/** What one call gives to C. */
export interface Span {
  readonly address: bigint
  readonly bytes: number
  readonly use: SpanUse
}

interface Lent {
  readonly start: number
  readonly bytes: number
}

// Each thread has its own copy of the module, as it has its own arenas.
const blocks: MemoryBlock[] = []
/** Memory of OpenSSL's that we may hand on, by the object it belongs to. */
const lent = new Map<bigint, Lent>()

export function addBlock(block: MemoryBlock): void {
  blocks.splice(firstAfter(block.start), 0, block)
}

/** Its memory went back, so that the address means nothing any more. */
export function dropBlock(block: MemoryBlock): void {
  const at = firstAfter(block.start) - 1
  if (blocks[at] === block) blocks.splice(at, 1)
}

/** `owner` lets us read `bytes` at `address` until its next call; 0 takes it back. */
export function lend(owner: bigint, address: bigint, bytes: number): void {
  if (bytes <= 0) lent.delete(owner)
  else lent.set(owner, { start: Number(address), bytes })
}

/** Whether `span` is memory that is ours to give, as a whole; ends the process if not. */
export function checkSpan(call: string, { address, bytes, use }: Span): void {
  if (bytes <= 0) return
  const start = Number(address)
  const what = `${call}: ${bytes} bytes at 0x${address.toString(16)} are ${use}`
  const block = blockAt(start)
  if (block === undefined) {
    if (use === 'read' && isLent(start, bytes)) return
    return endForMisuse('out of range', `${what}, and that is no arena of this thread`)
  }
  if (block.freedAt !== undefined) return endForMisuse('use after free', what, block.freedAt)
  const offset = start - block.start
  if (offset + bytes > block.bytes)
    return endForMisuse('out of range', `${what}, at ${offset} of an arena of ${block.bytes}`)
  if (use === 'written' && block.isHeld)
    return endForMisuse('overwritten in use', `${what}, and its content is still being read`)
}

/** After the call: what was written stayed inside. */
export function checkGuardsAt(address: bigint): void {
  blockAt(Number(address))?.checkGuards()
}

/** What stands at an address of ours, as a pointer; 0 when it is not ours. */
export function pointerAt(address: bigint): bigint {
  return blockAt(Number(address))?.pointerAt(Number(address)) ?? 0n
}

function blockAt(address: number): MemoryBlock | undefined {
  const block = blocks[firstAfter(address) - 1]
  return block === undefined || address >= block.start + block.bytes ? undefined : block
}

function isLent(start: number, bytes: number): boolean {
  for (const each of lent.values())
    if (start >= each.start && start + bytes <= each.start + each.bytes) return true
  return false
}

/** The index of the first block that begins after `address`. */
function firstAfter(address: number): number {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((blocks[middle]?.start ?? 0) <= address) low = middle + 1
    else high = middle
  }
  return low
}
