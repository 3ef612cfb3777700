import type { SpiffeId } from '@ambient/spiffe'
import type { AccessError } from '@ambient/telemetry'
import type { TlsContext } from '@ambient/tls'
import type { Connection } from './connection.ts'
import { holdWhile } from './hold-while.ts'
import type { IdentityAnswer } from './identity-store.ts'
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
  const { shared } = pod
  const known = shared.identities.get(identity)
  if (known !== undefined) return shared.contain(fd, () => use(known))
  holdWhile(
    fd,
    {
      shared,
      what: 'a certificate',
      onGone: (detail) => connection.end({ kind: 'failed', reason: 'DOWNSTREAM_CLOSED', detail }),
      connection,
    },
    (answer) => shared.identities.withContext(identity, answer),
    (answer: IdentityAnswer) => {
      if (answer.kind === 'ready') use(answer.context)
      else onUnavailable({ reason: 'IDENTITY_UNAVAILABLE', detail: answer.detail })
    },
  )
}
