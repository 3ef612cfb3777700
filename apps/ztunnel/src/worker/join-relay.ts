import { Relay } from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { AccessError } from '@ambient/telemetry'
import type { Connection } from './connection.ts'
import { dial } from './dial.ts'
import type { PodContext } from './pod-context.ts'
import { connectError } from './tunnel-outcome.ts'

export interface RelayJoin {
  readonly pod: PodContext
  readonly connection: Connection
  readonly to: SocketAddress
  readonly sourceIp: string | undefined
  /** Upstream is connected; nothing of it has been delivered yet. */
  readonly onUp?: () => void
  /** Upstream could not be had, and nothing was read from `fd`, which is the caller's again. */
  readonly onUnreachable: (fd: number, error: AccessError, because: 'lacking' | 'failed') => void
}

/** Joins an accepted socket to a plain connection to `to`; owns `fd` unless it says otherwise. */
export function joinRelay(
  fd: number,
  { pod, connection, to, sourceIp, onUp, onUnreachable }: RelayJoin,
): void {
  const { shared } = pod
  const upstream = dial(pod, to, sourceIp)
  if (upstream.kind !== 'started')
    return onUnreachable(fd, { reason: 'CONNECT_FAILED', detail: upstream.detail }, upstream.kind)
  const relay = new Relay(fd, upstream.fd, {
    loop: shared.loop,
    limits: shared.limits,
    buffers: shared.buffers,
    pipes: shared.pipes,
  })
  if (onUp !== undefined) relay.onConnected = onUp
  relay.onEnd = (end) => {
    if (end.kind === 'connect-failed') onUnreachable(end.fd, connectError(end.errno, to), 'failed')
    else connection.end({ kind: 'completed' })
  }
  connection.carriedBy(
    () => ({ up: relay.bytesUp, down: relay.bytesDown }),
    (outcome) => {
      connection.end(outcome)
      relay.abort(outcome.kind === 'failed' ? outcome.detail : 'cut')
    },
  )
}
