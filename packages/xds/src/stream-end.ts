import { errorText } from '@ambient/lifecycle'
import { status } from '@grpc/grpc-js'

export type XdsTermination = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete'

export interface StreamEnd {
  readonly reason: XdsTermination
  readonly detail: string
}

export const COMPLETE: StreamEnd = { reason: 'Complete', detail: 'the server ended the stream' }

/** Ends that say "come again", not "something is wrong". */
const RECONNECT_CODES: ReadonlySet<unknown> = new Set([
  status.UNKNOWN,
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
])
const CONNECTION_CODES: ReadonlySet<unknown> = new Set([status.UNAVAILABLE, 'CONNECT_TIMEOUT'])

/** What a failed stream counts as. @see ztunnel `src/xds/client.rs` */
export function describeFailure(cause: unknown): StreamEnd {
  const detail = errorText(cause)
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (RECONNECT_CODES.has(code) || /transport is closing|received prior goaway/i.test(detail))
    return { reason: 'Reconnect', detail }
  return { reason: CONNECTION_CODES.has(code) ? 'ConnectionError' : 'Error', detail }
}
