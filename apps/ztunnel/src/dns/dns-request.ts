import type { DnsTransport } from './answer-query.ts'

/** A message that a client sent, and how to answer it. */
export interface DnsRequest {
  /** A copy of its own. */
  readonly bytes: Uint8Array
  readonly transport: DnsTransport
  /** Call once. `undefined` when there is nothing to say to such a message. */
  readonly answer: (message: Uint8Array | undefined) => void
}
