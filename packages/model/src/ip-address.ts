const MAPPED_V4_WORDS: readonly number[] = [0, 0, 0, 0, 0, 0xffff]

/**
 * The one spelling of an IP address used as a key anywhere in the mesh: dotted IPv4, or IPv6 as in RFC 5952. IPv4-mapped
 * IPv6 becomes IPv4.
 *
 * @returns `undefined` when the text is not an address (zone indices, ports, prefixes and host names are not).
 */
export function canonicalIp(text: string): string | undefined {
  const bytes = ipToBytes(text)
  return bytes === undefined ? undefined : ipFromBytes(bytes)
}

/** @returns 4 or 16 bytes in network order, IPv4-mapped IPv6 folded to 4; `undefined` when the text is not an address. */
export function ipToBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return parseV4(text)
  const words = parseV6(text)
  if (words === undefined) return undefined
  const bytes = new Uint8Array(16)
  words.forEach((word, i) => bytes.set([word >> 8, word & 0xff], i * 2))
  return MAPPED_V4_WORDS.every((word, i) => words[i] === word) ? bytes.slice(12) : bytes
}

/** @returns Canonical text; `undefined` unless there are 4 or 16 bytes. */
export function ipFromBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2))
  if (MAPPED_V4_WORDS.every((word, i) => words[i] === word)) return bytes.subarray(12).join('.')
  return formatV6(words)
}

export function isIpv6(canonical: string): boolean {
  return canonical.includes(':')
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatHostPort(ip: string, port: number): string {
  return isIpv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** Whether the first `length` bits of both are equal; addresses of different families never match. */
export function prefixMatches(prefix: Uint8Array, length: number, ip: Uint8Array): boolean {
  if (prefix.length !== ip.length) return false
  const wholeBytes = length >> 3
  for (let i = 0; i < wholeBytes; i++) {
    if (prefix[i] !== ip[i]) return false
  }
  const restBits = length & 7
  if (restBits === 0) return true
  const mask = (0xff << (8 - restBits)) & 0xff
  return ((prefix[wholeBytes] ?? 0) & mask) === ((ip[wholeBytes] ?? 0) & mask)
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined // "010" is 8 to some and 10 to others
    bytes[i] = Number(part)
  }
  return bytes
}

function parseV6(text: string): readonly number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [headText = '', tailText] = halves
  const head = parseWords(headText, tailText === undefined)
  const tail = tailText === undefined ? [] : parseWords(tailText, true)
  if (head === undefined || tail === undefined) return undefined
  if (tailText === undefined) return head.length === 8 ? head : undefined
  const gap = 8 - head.length - tail.length
  return gap < 1 ? undefined : [...head, ...Array.from({ length: gap }, () => 0), ...tail]
}

/** Colon-separated words; the last may be dotted IPv4 when `atEnd`. */
function parseWords(text: string, atEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const words: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = atEnd && i === parts.length - 1 ? parseV4(part) : undefined
      if (v4 === undefined) return undefined
      const view = new DataView(v4.buffer)
      words.push(view.getUint16(0), view.getUint16(2))
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined
      words.push(Number.parseInt(part, 16))
    }
  }
  return words.length > 8 ? undefined : words
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero words (the first of equals) as `::`. */
function formatV6(words: readonly number[]): string {
  let bestStart = -1
  let bestLength = 1
  let start = 0
  for (let i = 0; i <= 8; i++) {
    if (words[i] === 0) continue
    if (i - start > bestLength) {
      bestStart = start
      bestLength = i - start
    }
    start = i + 1
  }
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':')
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`
}
