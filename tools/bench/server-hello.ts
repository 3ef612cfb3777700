/** What a server chose, by the names of their registries. */
export interface ServerHello {
  readonly version: string
  readonly cipher: string
  readonly group: string
}

const VERSIONS: Readonly<Record<number, string>> = { 0x0304: 'TLSv1.3' }
const CIPHERS: Readonly<Record<number, string>> = {
  0x1301: 'TLS_AES_128_GCM_SHA256',
  0x1302: 'TLS_AES_256_GCM_SHA384',
  0x1303: 'TLS_CHACHA20_POLY1305_SHA256',
}
const GROUPS: Readonly<Record<number, string>> = {
  0x0017: 'secp256r1',
  0x0018: 'secp384r1',
  0x001d: 'x25519',
  0x11ec: 'X25519MLKEM768',
}
const HANDSHAKE_RECORD = 22
const SERVER_HELLO = 2
const EXTENSION = { supportedVersions: 43, keyShare: 51 } as const
/** Record header, handshake header, legacy version, random. */
const SESSION_ID_AT = 5 + 4 + 2 + 32

/**
 * Reads what a TLS 1.3 server says first. Pure.
 *
 * @param stream All it sent, from the beginning.
 * @returns undefined when it does not begin with one.
 * @see RFC 8446 section 4.1.3
 */
export function readServerHello(stream: Uint8Array): ServerHello | undefined {
  if (stream.length < SESSION_ID_AT + 1 || stream[0] !== HANDSHAKE_RECORD || stream[5] !== SERVER_HELLO)
    return undefined
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  const cipherAt = SESSION_ID_AT + 1 + view.getUint8(SESSION_ID_AT)
  const extensionsAt = cipherAt + 3 // the compression method is one byte of it
  const end = extensionsAt + 2 + view.getUint16(extensionsAt)
  const extensions = new Map<number, number>()
  for (let at = extensionsAt + 2; at < end; at += 4 + view.getUint16(at + 2))
    extensions.set(view.getUint16(at), view.getUint16(at + 4)) // both begin with what we look for
  return {
    version: nameOf(VERSIONS, extensions.get(EXTENSION.supportedVersions)),
    cipher: nameOf(CIPHERS, view.getUint16(cipherAt)),
    group: nameOf(GROUPS, extensions.get(EXTENSION.keyShare)),
  }
}

function nameOf(names: Readonly<Record<number, string>>, code: number | undefined): string {
  return code === undefined ? 'none' : (names[code] ?? `0x${code.toString(16)}`)
}
