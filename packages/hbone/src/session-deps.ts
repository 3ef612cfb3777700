import type { EventLoop } from '@ambient/event-loop'
import type { RequestRefusal, TunnelRequest } from './connect-message.ts'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import type { SessionEnd } from './session-end.ts'
import type { Tunnel } from './tunnel.ts'

/** @typeParam S The session itself, which is in another file. */
export interface SessionDepsOf<S> {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
  /** Server: a CONNECT arrived. Must end in `answer`, now or later. */
  readonly onRequest?: (tunnel: Tunnel, request: TunnelRequest) => void
  /** Server: a request was answered with an error by the session itself; for the log. */
  readonly onRefused?: (refusal: RequestRefusal) => void
  /** TLS is done; a returned text refuses the peer. */
  readonly checkPeer?: (uris: readonly string[]) => string | undefined
  readonly onClosed?: (session: S, end: SessionEnd) => void
  /** The state or the number of tunnels changed. */
  readonly onChange?: (session: S) => void
}

export interface OpenOptions {
  /** The next hop is a waypoint: its RST_STREAM CONNECT_ERROR is a normal end. */
  readonly isWaypoint?: boolean
}
