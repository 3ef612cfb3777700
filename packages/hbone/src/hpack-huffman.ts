import { HpackError } from './hbone-error.ts'

// The code is canonical: the lengths of the symbols in order ('A' = 5 bits) give every code; EOS is the last, 30 ones.
const CODE_LENGTHS =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCC' +
  'KGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV'
const LENGTH_OF_A = 5 - 'A'.charCodeAt(0)
const EOS = 256
const EOS_BITS = 30
const MAX_PADDING_BITS = 7

// An entry of the nibble table: the next node, the symbol that ended on the way, and whether one did or it cannot be.
const SYMBOL_SHIFT = 8
const HAS_SYMBOL = 1 << 16
const INVALID = 1 << 17

const tables = buildTables()

/**
 * Decodes `length` bytes at `from`, four bits a step: no code is shorter than five, so a step ends at most one symbol.
 *
 * @throws {HpackError} when it contains EOS or its padding is not the beginning of EOS.
 * @see RFC 7541 section 5.2
 */
export function decodeHuffman(bytes: Uint8Array, from: number, length: number): string {
  const out = Buffer.allocUnsafe(Math.ceil((length * 8) / 5))
  let written = 0
  let node = 0
  for (let at = from * 2; at < (from + length) * 2; at++) {
    const byte = bytes[at >> 1] ?? 0
    const nibble = (at & 1) === 0 ? byte >> 4 : byte & 15
    const entry = tables.steps[(node << 4) | nibble] ?? INVALID
    if (entry & INVALID) throw new HpackError('Cannot decode Huffman string: contains EOS')
    if (entry & HAS_SYMBOL) out[written++] = entry >> SYMBOL_SHIFT
    node = entry & 0xff
  }
  if (tables.mayEnd[node] !== 1) throw new HpackError('Cannot decode Huffman string: wrong padding')
  return out.toString('latin1', 0, written)
}

interface HuffmanTables {
  /** 16 entries a node. */
  readonly steps: Int32Array
  /** Nodes that at most seven ones lead to. */
  readonly mayEnd: Uint8Array
}

function buildTables(): HuffmanTables {
  const trie = buildTrie()
  const nodes = trie.length / 2
  const steps = new Int32Array(nodes * 16)
  for (let node = 0; node < nodes; node++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[(node << 4) | nibble] = walkNibble(trie, node, nibble)
  }
  const mayEnd = new Uint8Array(nodes)
  for (let node = 0, bits = 0; node >= 0 && bits <= MAX_PADDING_BITS; bits++) {
    mayEnd[node] = 1
    node = trie[2 * node + 1] ?? -1
  }
  return { steps, mayEnd }
}

function walkNibble(trie: readonly number[], from: number, nibble: number): number {
  let node = from
  let symbol = 0
  for (let mask = 8; mask > 0; mask >>= 1) {
    const next = trie[2 * node + (nibble & mask ? 1 : 0)] ?? 0
    if (next >= 0) node = next
    else if (~next === EOS) return INVALID
    else {
      symbol = HAS_SYMBOL | (~next << SYMBOL_SHIFT)
      node = 0
    }
  }
  return symbol | node
}

/** Node n has children at 2n and 2n+1: a node when not negative, else the complement of a symbol. */
function buildTrie(): number[] {
  const codes = Array.from(CODE_LENGTHS, (letter, symbol) => ({
    symbol,
    bits: letter.charCodeAt(0) + LENGTH_OF_A,
  }))
  codes.push({ symbol: EOS, bits: EOS_BITS })
  codes.sort((a, b) => a.bits - b.bits || a.symbol - b.symbol)
  const trie = [0, 0]
  let code = 0
  let previousBits = 0
  for (const { symbol, bits } of codes) {
    code *= 2 ** (bits - previousBits)
    previousBits = bits
    insert(trie, code, bits, symbol)
    code++
  }
  return trie
}

function insert(trie: number[], code: number, bits: number, symbol: number): void {
  let node = 0
  for (let bit = bits - 1; bit > 0; bit--) {
    const slot = 2 * node + ((code >>> bit) & 1)
    let child = trie[slot] ?? 0
    if (child === 0) {
      child = trie.length / 2
      trie[slot] = child
      trie.push(0, 0)
    }
    node = child
  }
  trie[2 * node + (code & 1)] = ~symbol
}
