import type { Arena } from '@ambient/linux'

export type HandshakeResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'wait' }
  /** `certificate`: it is the peer's that stood in the way. */
  | { readonly kind: 'failed'; readonly reason: string; readonly certificate?: 'missing' | 'refused' }

export type ReadResult =
  /** `more: false` means that the socket was drained: wait for the next edge. */
  | { readonly kind: 'bytes'; readonly length: number; readonly more: boolean }
  | { readonly kind: 'wait' }
  | { readonly kind: 'eof' }
  | { readonly kind: 'failed'; readonly reason: string }

/**
 * One side of a connection between proxies: bytes in, bytes out, with or without TLS, over a socket that stays the
 * caller's. `write` takes everything or the connection is dead; what the kernel does not take is held here, at most one
 * staging buffer, and `isBlocked` tells the caller not to write again until `flush` has returned true.
 */
export interface Transport {
  readonly isBlocked: boolean
  /** Call it again on every edge until it is done or failed. Read at once afterwards: no edge comes for what was read ahead. */
  handshake(): HandshakeResult
  /** Fills `into`, of at least 16 KiB, from the start. */
  read(into: Arena): ReadResult
  /**
   * Sends the first `length` bytes, at most `MAX_WRITE_BYTES`.
   *
   * @returns Whether the kernel took them all. False also when the connection is dead: the next read says so.
   */
  write(from: Arena, length: number): boolean
  /** @returns Whether nothing is held any more. */
  flush(): boolean
  /** URI SANs of the peer's leaf certificate, in order. */
  peerUris(): readonly string[]
  /** Says goodbye if it can, and frees what is not the caller's. Nothing else may be called afterwards but `close`. */
  close(): void
}

/** The most that one `write` takes. */
export const MAX_WRITE_BYTES = 262144
