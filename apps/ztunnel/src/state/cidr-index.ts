import { addressKey, ipFromBytes, ipToBytes } from '@ambient/model'
import { MultiIndex } from './multi-index.ts'

export interface RangeHit<V> {
  readonly value: V
  readonly prefixLength: number
}

/** Values by address range. A lookup costs one step for each prefix length in use, however many ranges there are. */
export class CidrIndex<V> {
  readonly #ranges = new MultiIndex<V>()
  readonly #lengths = new Map<number, number>()

  add(network: string, ip: string, prefixLength: number, value: V): void {
    this.#ranges.add(rangeKey(network, ip, prefixLength), value)
    this.#lengths.set(prefixLength, (this.#lengths.get(prefixLength) ?? 0) + 1)
  }

  remove(network: string, ip: string, prefixLength: number, value: V): void {
    this.#ranges.remove(rangeKey(network, ip, prefixLength), value)
    const left = (this.#lengths.get(prefixLength) ?? 1) - 1
    if (left === 0) this.#lengths.delete(prefixLength)
    else this.#lengths.set(prefixLength, left)
  }

  /** Every range that holds `ip`, in no order. */
  find(network: string, ip: string): readonly RangeHit<V>[] {
    const hits: RangeHit<V>[] = []
    for (const prefixLength of this.#lengths.keys()) {
      for (const value of this.#ranges.get(rangeKey(network, ip, prefixLength)))
        hits.push({ value, prefixLength })
    }
    return hits
  }
}

/** The range's first address with its length: equal for all addresses of one range and family. */
function rangeKey(network: string, ip: string, prefixLength: number): string {
  const bytes = ipToBytes(ip)
  if (bytes === undefined || prefixLength > bytes.length * 8) return ''
  const family = bytes.length
  const first = bytes.map((byte, i) => byte & mask(prefixLength - i * 8))
  // The bytes, not the text: a masked IPv6 address may look IPv4-mapped.
  return `${addressKey(network, ipFromBytes(first) ?? '')}/${prefixLength}/${family}`
}

function mask(bits: number): number {
  if (bits >= 8) return 0xff
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}
