import type { Timer } from '@ambient/event-loop'
import { closeDescriptor, streamPair } from '@ambient/linux'
import type { Transport } from '@ambient/tls'
import { H2Session, type SessionDeps } from './h2-session.ts'
import type { HeaderField } from './header-field.ts'
import type { HboneLimits } from './limits.ts'
import type { UntouchedCause } from './tunnel-end.ts'

export interface NestedDeps extends SessionDeps {
  /** The tunnel that was to carry the session never began. Said once, before the session ends. */
  readonly onUncarried?: (cause: UntouchedCause) => void
}

/**
 * A client session inside a tunnel of `outer`, which is asked for with `fields`. The two are joined by a pair of sockets,
 * not by objects: bytes stay in the kernel or in the loop's arenas, each of the two has the loop's arenas for itself
 * while it runs, and back-pressure, half-close and edges are those of any other app. It costs one copy and two system
 * calls a pass, and two descriptors.
 *
 * @throws {SyscallError} when there are no descriptors left, and what `transport` throws.
 */
export function nestSession(
  outer: H2Session,
  fields: readonly HeaderField[],
  transport: (fd: number) => Transport,
  deps: NestedDeps,
): H2Session {
  const { loop, limits } = deps
  const [near, far] = streamPair()
  let timer: Timer | undefined
  let inner: Transport
  try {
    inner = transport(near)
  } catch (cause) {
    closeDescriptor(near)
    closeDescriptor(far)
    throw cause
  }
  const session = new H2Session(near, inner, 'client', {
    ...deps,
    limits: nestedLimits(limits),
    onClosed: (closed, end) => {
      // Its goodbye should get through; a peer that does not hang up then is cut.
      if (!carrier.isClosed) timer = loop.after(limits.discardMs, () => carrier.abort('its session is over'))
      deps.onClosed?.(closed, end)
    },
  })
  // What ends the tunnel in the middle of something shows in the session: TLS knows when its end is missing.
  const carrier = outer.open(far, fields, { isWaypoint: true })
  carrier.onEnd = (end) => {
    timer?.cancel()
    if (end.kind !== 'untouched') return
    deps.onUncarried?.(end.cause)
    closeDescriptor(end.fd)
  }
  return session
}

/** Its TLS handshake begins at once, and has to wait for all that the tunnel waits for. */
function nestedLimits(limits: HboneLimits): HboneLimits {
  return { ...limits, handshakeMs: limits.connectMs + limits.handshakeMs + limits.answerMs }
}
