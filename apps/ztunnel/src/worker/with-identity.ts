import { errnoName } from '@ambient/linux'
import type { SpiffeId } from '@ambient/spiffe'
import type { AccessError } from '@ambient/telemetry'
import type { TlsContext } from '@ambient/tls'
import type { Connection } from './connection.ts'
import { HeldSocket } from './held-socket.ts'
import type { PodContext } from './pod-context.ts'

export interface IdentityWish {
  readonly pod: PodContext
  readonly identity: SpiffeId
  readonly connection: Connection
  /** There is no certificate, and `fd` is the caller's again. */
  readonly onUnavailable: (error: AccessError) => void
}

/**
 * Goes on with `use` once there is a certificate: in this call if there is. Meanwhile the connection can be cut, and an
 * app that resets its socket ends it.
 */
export function withIdentity(fd: number, wish: IdentityWish, use: (context: TlsContext) => void): void {
  const { pod, identity, connection, onUnavailable } = wish
  const { identities, loop, contain } = pod.shared
  const known = identities.get(identity)
  if (known !== undefined) return contain(fd, () => use(known))
  const wait = identities.withContext(identity, (answer) => {
    held.release()
    contain(fd, () => {
      if (answer.kind === 'ready') use(answer.context)
      else onUnavailable({ reason: 'IDENTITY_UNAVAILABLE', detail: answer.detail })
    })
  })
  const held = new HeldSocket(fd, loop, (errno) => {
    wait.cancel()
    const detail = `gave up while a certificate was waited for: ${errnoName(errno)}`
    connection.end({ kind: 'failed', reason: 'DOWNSTREAM_CLOSED', detail })
  })
  connection.carriedBy(
    () => ({ up: 0, down: 0 }),
    (outcome) => {
      wait.cancel()
      held.reset()
      connection.end(outcome)
    },
  )
}
