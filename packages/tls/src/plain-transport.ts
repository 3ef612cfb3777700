import { Arena, Errno, errno, errnoName, sys } from '@ambient/linux'
import { MAX_WRITE_BYTES, type HandshakeResult, type ReadResult, type Transport } from './transport.ts'

const DONE: HandshakeResult = { kind: 'done' }
const WAIT: ReadResult = { kind: 'wait' }
const EOF: ReadResult = { kind: 'eof' }
const CLOSED: ReadResult = { kind: 'failed', reason: 'closed by us' }

/** No TLS: for conformance tools, benchmarks, and as the second implementation that keeps the interface honest. */
export class PlainTransport implements Transport {
  readonly #fd: number
  #held: { readonly arena: Arena; from: number } | undefined
  #isClosed = false

  constructor(fd: number) {
    this.#fd = fd
  }

  get isBlocked(): boolean {
    return this.#held !== undefined
  }

  handshake(): HandshakeResult {
    return DONE
  }

  read(into: Arena): ReadResult {
    if (this.#isClosed) return CLOSED
    const got = sys.read(this.#fd, into.base, into.bytes.length)
    if (got > 0) return { kind: 'bytes', length: got, more: got === into.bytes.length }
    if (got === 0) return EOF
    const code = errno()
    return code === Errno.EAGAIN ? WAIT : { kind: 'failed', reason: `socket: ${errnoName(code)}` }
  }

  write(from: Arena, length: number): boolean {
    if (length > MAX_WRITE_BYTES) throw new RangeError(`Cannot write ${length} bytes at once`)
    if (this.#isClosed) return false
    const written = Math.max(0, sys.write(this.#fd, from.base, length))
    if (written === length) return true
    const arena = new Arena(length - written)
    arena.bytes.set(from.bytes.subarray(written, length))
    this.#held = { arena, from: 0 }
    return false
  }

  flush(): boolean {
    const held = this.#held
    if (held === undefined || this.#isClosed) return true
    const written = sys.write(this.#fd, held.arena.at(held.from), held.arena.bytes.length - held.from)
    if (written > 0) held.from += written
    if (held.from < held.arena.bytes.length) return false
    this.#release()
    return true
  }

  peerUris(): readonly string[] {
    return []
  }

  close(): void {
    this.flush()
    this.#isClosed = true
    this.#release()
  }

  #release(): void {
    this.#held?.arena.free()
    this.#held = undefined
  }
}
