import type { DnsHead, DnsQuestion } from '@ambient/dns'
import type { EventLoop } from '@ambient/event-loop'
import type { Arena, SocketAddress } from '@ambient/linux'

/** One query to one name server, once. */
export interface ExchangeRequest {
  /** Under the id that the answer must have. */
  readonly query: Uint8Array
  readonly id: number
  readonly question: DnsQuestion
  readonly to: SocketAddress
}

export type ExchangeEnd =
  | { readonly kind: 'answered'; readonly message: Uint8Array; readonly head: DnsHead }
  | { readonly kind: 'failed'; readonly detail: string }

export interface ExchangeDeps {
  readonly loop: EventLoop
  readonly arena: Arena
  /** Told once, unless it is closed before; may be told within `start`. */
  readonly onEnd: (end: ExchangeEnd) => void
}

/** Made on a socket that it owns from then on. */
export interface Exchange {
  start(): void
  close(): void
}
