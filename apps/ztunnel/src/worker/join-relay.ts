import { Relay } from '@ambient/hbone'
import { resetSocket, type SocketAddress } from '@ambient/linux'
import type { AccessError } from '@ambient/telemetry'
import type { Connection } from './connection.ts'
import { dial } from './dial.ts'
import { relayOutcome } from './tunnel-outcome.ts'
import type { PodContext } from './pod-context.ts'

export interface RelayJoin {
  readonly pod: PodContext
  readonly connection: Connection
  readonly to: SocketAddress
  readonly sourceIp: string | undefined
  readonly denied: AccessError | undefined
}

/** Joins an accepted socket to a plain connection to `to`; owns `fd`. A connection that was denied ends here. */
export function joinRelay(fd: number, { pod, connection, to, sourceIp, denied }: RelayJoin): void {
  const { shared } = pod
  if (denied !== undefined) {
    resetSocket(fd)
    return connection.end({ ...denied, kind: 'failed' })
  }
  const upstream = dial(pod, to, { keepAlive: true, sourceIp })
  if (upstream.kind === 'failed') {
    resetSocket(fd)
    return connection.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: upstream.detail })
  }
  const relay = new Relay(fd, upstream.fd, {
    loop: shared.loop,
    limits: shared.limits,
    buffers: shared.buffers,
    pipes: shared.pipes,
  })
  relay.onEnd = (end) => connection.end(relayOutcome(end, to))
  connection.carriedBy(
    () => ({ up: relay.bytesUp, down: relay.bytesDown }),
    (outcome) => {
      connection.end(outcome)
      relay.abort(outcome.kind === 'failed' ? outcome.detail : 'cut')
    },
  )
}
