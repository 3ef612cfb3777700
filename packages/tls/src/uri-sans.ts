interface Element {
  readonly tag: number
  readonly start: number
  readonly end: number
}

const EXTENSIONS = 0xa3
const URI = 0x86
const SUBJECT_ALT_NAME = Buffer.from([0x55, 0x1d, 0x11])

/**
 * The URI entries of subjectAltName, in order. Not a validator: OpenSSL has parsed the certificate before. Pure.
 *
 * @throws {RangeError} when an element ends outside its certificate.
 */
export function uriSans(der: Uint8Array): string[] {
  const certificate = elementAt(der, 0)
  const body = elementAt(der, certificate.start)
  const wrapper = childrenOf(der, body).find((child) => child.tag === EXTENSIONS)
  if (wrapper === undefined) return []
  return childrenOf(der, elementAt(der, wrapper.start)).flatMap((extension) => urisOf(der, extension))
}

function urisOf(der: Uint8Array, extension: Element): string[] {
  const parts = childrenOf(der, extension)
  const [oid] = parts
  const value = parts.at(-1)
  if (oid === undefined || value === undefined) return []
  if (!SUBJECT_ALT_NAME.equals(der.subarray(oid.start, oid.end))) return []
  return childrenOf(der, elementAt(der, value.start))
    .filter((name) => name.tag === URI)
    .map((name) => Buffer.from(der.subarray(name.start, name.end)).toString('latin1'))
}

function childrenOf(der: Uint8Array, parent: Element): Element[] {
  const children: Element[] = []
  for (let at = parent.start; at < parent.end;) {
    const child = elementAt(der, at)
    children.push(child)
    at = child.end
  }
  return children
}

function elementAt(der: Uint8Array, at: number): Element {
  const first = byteAt(der, at + 1)
  const lengthBytes = (first & 0x80) === 0 ? 0 : first & 0x7f
  const start = at + 2 + lengthBytes
  let length = lengthBytes === 0 ? first : 0
  for (let i = at + 2; i < start; i++) length = length * 256 + byteAt(der, i)
  if (start + length > der.length) throw new RangeError('Cannot read certificate: an element ends outside')
  return { tag: byteAt(der, at), start, end: start + length }
}

function byteAt(der: Uint8Array, index: number): number {
  const byte = der[index]
  if (byte === undefined) throw new RangeError('Cannot read certificate: it ends too early')
  return byte
}
