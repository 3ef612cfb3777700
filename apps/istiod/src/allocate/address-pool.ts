import { ipFromBytes, ipToBytes } from '@ambient/model'

/** A range of IP addresses: the bits of `ip` after the first `length` do not count. */
export interface AddressPrefix {
  readonly ip: string
  readonly length: number
}

/** What is not to be given out. */
export interface UsedAddresses {
  /** Canonical. */
  readonly single: ReadonlySet<string>
  readonly ranges: readonly AddressPrefix[]
}

interface Span {
  readonly first: bigint
  readonly last: bigint
}

/** `240.240.0.0/16` */
export function parsePrefix(text: string): AddressPrefix | undefined {
  const [ip = '', length = '', ...rest] = text.split('/')
  const bits = (ipToBytes(ip)?.length ?? 0) * 8
  if (bits === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined
  return { ip, length: Number(length) }
}

/**
 * Gives out addresses of one range, each after the last one, and from the start again at the end of the range: so one
 * that is free again is not given to somebody else soon, whom old clients would then meet there.
 */
export class AddressPool {
  readonly #used: Set<string>
  readonly #span: Span
  readonly #holes: readonly Span[]
  readonly #bits: number
  #last: bigint

  /** @param last The one given out last; undefined begins after the highest in use. */
  constructor(prefix: AddressPrefix, used: UsedAddresses, last: string | undefined) {
    this.#bits = (ipToBytes(prefix.ip)?.length ?? 4) * 8
    this.#span = spanOf(prefix, this.#bits)
    this.#used = new Set([...used.single].filter((ip) => this.#has(ip)))
    this.#holes = used.ranges
      .filter((range) => ipToBytes(range.ip)?.length === this.#bits / 8)
      .map((range) => spanOf(range, this.#bits))
    const known = last === undefined ? [...this.#used] : [last]
    this.#last = known.reduce(
      (highest, ip) => (this.#has(ip) && numberOf(ip) > highest ? numberOf(ip) : highest),
      this.#span.first, // the network's own address, which is never given out
    )
  }

  /** @returns undefined when all of the range is in use. */
  take(): string | undefined {
    const start = this.#last
    let candidate = start
    let hasWrapped = false
    for (;;) {
      candidate++
      const hole = this.#holes.find(({ first, last }) => candidate >= first && candidate <= last)
      if (hole !== undefined) candidate = hole.last
      if (candidate > this.#span.last) {
        if (hasWrapped) return undefined
        hasWrapped = true
        candidate = this.#span.first
        continue
      }
      if (hasWrapped && candidate > start) return undefined
      const ip = textOf(candidate, this.#bits)
      if (hole !== undefined || this.#used.has(ip)) continue
      this.#last = candidate
      this.#used.add(ip)
      return ip
    }
  }

  #has(ip: string): boolean {
    if (ipToBytes(ip)?.length !== this.#bits / 8) return false
    const number = numberOf(ip)
    return number >= this.#span.first && number <= this.#span.last
  }
}

function spanOf({ ip, length }: AddressPrefix, bits: number): Span {
  const hostBits = BigInt(bits - length)
  const first = (numberOf(ip) >> hostBits) << hostBits
  return { first, last: first + (1n << hostBits) - 1n }
}

function numberOf(ip: string): bigint {
  return (ipToBytes(ip) ?? new Uint8Array()).reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)
}

function textOf(number: bigint, bits: number): string {
  const bytes = Uint8Array.from({ length: bits / 8 }, (_, i) =>
    Number((number >> BigInt(bits - 8 * (i + 1))) & 0xffn),
  )
  return ipFromBytes(bytes) ?? ''
}
