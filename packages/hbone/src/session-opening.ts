import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '@ambient/event-loop'
import { Errno, takeSocketError } from '@ambient/linux'
import type { Transport } from '@ambient/tls'
import type { SessionRole } from './peer-settings.ts'
import type { SessionEnd } from './session-end.ts'

export type OpeningStep =
  | { readonly kind: 'wait'; readonly stage: 'connecting' | 'handshaking' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly end: SessionEnd }

export interface SessionOpeningDeps {
  /** TLS is done; a returned text refuses the peer. */
  readonly checkPeer?: (uris: readonly string[]) => string | undefined
}

const CONNECTING: OpeningStep = { kind: 'wait', stage: 'connecting' }
const HANDSHAKING: OpeningStep = { kind: 'wait', stage: 'handshaking' }
const DONE: OpeningStep = { kind: 'done' }

/** A connection until HTTP/2 may begin: a client's TCP handshake, TLS, then whether the peer is who it should be. */
export class SessionOpening {
  readonly #fd: number
  readonly #transport: Transport
  readonly #deps: SessionOpeningDeps
  #isConnected: boolean
  #peerUris: readonly string[] = []

  constructor(fd: number, transport: Transport, role: SessionRole, deps: SessionOpeningDeps) {
    this.#fd = fd
    this.#transport = transport
    this.#deps = deps
    this.#isConnected = role === 'server'
  }

  get peerUris(): readonly string[] {
    return this.#peerUris
  }

  /** Goes as far as it can; to be called on every edge until it is done or failed. */
  proceed(events: number): OpeningStep {
    if (!this.#isConnected) {
      if (events & (EPOLLERR | EPOLLHUP)) {
        return failed({ kind: 'connect-failed', errno: takeSocketError(this.#fd) || Errno.ECONNRESET })
      }
      if ((events & EPOLLOUT) === 0) return CONNECTING
      this.#isConnected = true
    }
    const step = this.#transport.handshake()
    if (step.kind === 'wait') return HANDSHAKING
    if (step.kind === 'failed') {
      const { reason, certificate } = step
      const because = certificate === undefined ? 'other' : (`certificate-${certificate}` as const)
      return failed({ kind: 'handshake-failed', stage: 'tls', because, reason })
    }
    this.#peerUris = this.#transport.peerUris()
    const refusal = this.#deps.checkPeer?.(this.#peerUris)
    return refusal === undefined ? DONE : failed({ kind: 'peer-refused', reason: refusal })
  }
}

function failed(end: SessionEnd): OpeningStep {
  return { kind: 'failed', end }
}
