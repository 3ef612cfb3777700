import { Arena, errno, NULL, sys } from '@ambient/linux'
import { negotiatedH2 } from './alpn.ts'
import { takeError, takeFailure } from './failure-reason.ts'
import { countConnection } from './live-objects.ts'
import { ssl, textAt } from './openssl.ts'
import { readPeerUris } from './peer-uris.ts'
import type { RevocationLists } from './revocation-lists.ts'
import type { TlsContext } from './tls-context.ts'
import { TlsError } from './tls-error.ts'
import { MAX_WRITE_BYTES, type HandshakeResult, type ReadResult, type Transport } from './transport.ts'

/** What both sides agreed on. */
export interface Negotiated {
  readonly cipherSuite: string
  readonly group: string
}

const RECORD_BYTES = 16384
const RECORD_OVERHEAD = 22
const HANDSHAKE_BYTES = 32768
// Room for one staging buffer as records, plus handshake messages and alerts: SSL_write can then never come up short.
const PAIR_BYTES = BigInt(
  MAX_WRITE_BYTES + (MAX_WRITE_BYTES / RECORD_BYTES) * RECORD_OVERHEAD + HANDSHAKE_BYTES,
)
const MIN_PAIR_BYTES = 64n
const SSL_ERROR = { wantRead: 2, wantWrite: 3, zeroReturn: 6 } as const

const DONE: HandshakeResult = { kind: 'done' }
const WAIT = { kind: 'wait' } as const
const EOF: ReadResult = { kind: 'eof' }
const CLOSED = { kind: 'failed', reason: 'closed by us' } as const

const out = new Arena(16)

/** TLS over a socket. Reads go straight from it into OpenSSL's read-ahead; writes collect in a BIO pair: one write(2), many records. */
export class TlsTransport implements Transport {
  readonly #fd: number
  readonly #connection: bigint
  readonly #network: bigint
  #isBlocked = false
  #isDead = false
  #isClosed = false

  /** `fd` stays the caller's and must outlive this object's `close`. */
  constructor(fd: number, context: TlsContext, role: 'client' | 'server') {
    this.#fd = fd
    this.#connection = ssl.SSL_new(context.pointer)
    if (
      this.#connection === NULL ||
      ssl.BIO_new_bio_pair(out.base, PAIR_BYTES, out.at(8), MIN_PAIR_BYTES) !== 1
    ) {
      if (this.#connection !== NULL) ssl.SSL_free(this.#connection)
      throw new TlsError('TLS_SETUP_FAILED', `Cannot make a TLS connection: ${takeError()}`)
    }
    this.#network = out.view.getBigUint64(8, true)
    ssl.SSL_set_bio(this.#connection, ssl.BIO_new_socket(fd, 0), out.view.getBigUint64(0, true))
    if (role === 'client') ssl.SSL_set_connect_state(this.#connection)
    else ssl.SSL_set_accept_state(this.#connection)
    countConnection(1)
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  handshake(): HandshakeResult {
    if (this.#isClosed) return CLOSED
    const result = ssl.SSL_do_handshake(this.#connection)
    if (result === 1) {
      this.flush()
      return negotiatedH2(this.#connection) ? DONE : { kind: 'failed', reason: 'peer did not agree on h2' }
    }
    const code = errno()
    const error = ssl.SSL_get_error(this.#connection, result)
    const isWaiting = error === SSL_ERROR.wantRead || error === SSL_ERROR.wantWrite
    const failure = isWaiting ? undefined : takeFailure(this.#connection, error, code)
    // Also carries the alert that tells the peer why.
    this.flush()
    return failure === undefined ? WAIT : { kind: 'failed', ...failure }
  }

  read(into: Arena): ReadResult {
    if (this.#isClosed) return CLOSED
    let length = 0
    while (into.bytes.length - length >= RECORD_BYTES) {
      const got = ssl.SSL_read(
        this.#connection,
        length === 0 ? into.base : into.at(length),
        into.bytes.length - length,
      )
      if (got <= 0) return this.#readStopped(got, length)
      length += got
    }
    return { kind: 'bytes', length, more: true }
  }

  write(from: Arena, length: number): boolean {
    if (length > MAX_WRITE_BYTES) throw new RangeError(`Cannot write ${length} bytes at once`)
    if (this.#isDead || this.#isClosed) return false
    if (ssl.SSL_write(this.#connection, from.base, length) === length) return this.flush()
    this.#isDead = true
    ssl.ERR_clear_error()
    return false
  }

  flush(): boolean {
    if (this.#isClosed) return true
    // The pair is a ring: each answer is its contiguous part.
    for (;;) {
      const available = ssl.BIO_nread0(this.#network, out.base)
      if (available <= 0) {
        this.#isBlocked = false
        return true
      }
      const written = sys.write(this.#fd, out.view.getBigUint64(0, true), available)
      if (written < 0) {
        // Full or not yet connected: the OUT edge comes. Anything else: so does an ERR edge.
        this.#isBlocked = true
        return false
      }
      ssl.BIO_nread(this.#network, out.base, written)
    }
  }

  peerUris(): readonly string[] {
    return this.#isClosed ? [] : readPeerUris(this.#connection)
  }

  /** Whether one of `lists` revokes what the peer has proved itself with; `false` before the handshake has got so far. */
  isRevokedBy(lists: RevocationLists): boolean {
    return !this.#isClosed && lists.revoke(verifiedChain(this.#connection))
  }

  /** For logs and tests; `undefined` before the handshake has got so far. */
  negotiated(): Negotiated | undefined {
    if (this.#isClosed) return undefined
    const cipher = ssl.SSL_get_current_cipher(this.#connection)
    if (cipher === NULL) return undefined
    return {
      cipherSuite: textAt(ssl.SSL_CIPHER_get_name(cipher)),
      group: textAt(ssl.SSL_get0_group_name(this.#connection)),
    }
  }

  close(): void {
    if (this.#isClosed) return
    ssl.SSL_shutdown(this.#connection)
    ssl.ERR_clear_error()
    this.flush()
    this.#isClosed = true
    ssl.SSL_free(this.#connection)
    ssl.BIO_free(this.#network)
    countConnection(-1)
  }

  #readStopped(result: number, length: number): ReadResult {
    const code = errno()
    const error = ssl.SSL_get_error(this.#connection, result)
    if (error === SSL_ERROR.wantRead) {
      // An answer to a key update may have been queued by reading.
      if (!this.#isBlocked) this.flush()
      return length > 0 ? { kind: 'bytes', length, more: false } : WAIT
    }
    if (error === SSL_ERROR.wantWrite) {
      this.flush()
      return length > 0 ? { kind: 'bytes', length, more: true } : WAIT
    }
    // Hand over what came before the end; the end itself is sticky and is met again by the next read.
    if (length > 0) {
      ssl.ERR_clear_error()
      return { kind: 'bytes', length, more: true }
    }
    if (error === SSL_ERROR.zeroReturn) return EOF
    return { kind: 'failed', reason: takeFailure(this.#connection, error, code).reason }
  }
}

/** Leaf first, root last; the pointers are the connection's. */
function verifiedChain(connection: bigint): readonly bigint[] {
  const stack = ssl.SSL_get0_verified_chain(connection)
  if (stack === NULL) return []
  return Array.from({ length: Math.max(0, ssl.OPENSSL_sk_num(stack)) }, (_, index) =>
    ssl.OPENSSL_sk_value(stack, index),
  )
}
