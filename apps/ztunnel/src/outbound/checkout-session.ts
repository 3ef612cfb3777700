import { H2Session } from '@ambient/hbone'
import { checkClientPeer, type SpiffeId } from '@ambient/spiffe'
import { type TlsContext, TlsTransport } from '@ambient/tls'
import { dial } from '../worker/dial.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { REVOKED } from '../worker/revocations.ts'
import type { TunnelRoute } from './route.ts'

export interface SessionWish {
  readonly route: Pick<TunnelRoute, 'nextHop' | 'expectedIds'>
  readonly identity: SpiffeId
  readonly context: TlsContext
}

export type CheckedOut =
  | { readonly kind: 'session'; readonly session: H2Session }
  | { readonly kind: 'lacking' | 'failed'; readonly detail: string }

/**
 * A session of the pod's pool to the next hop, dialled if there is none with room. Streams queue on it while it
 * connects and share its failure. The key holds every name that was checked or presented, so none is ever lent.
 */
export function checkoutSession(pod: PodContext, wish: SessionWish): CheckedOut {
  const { route, identity, context } = wish
  const { shared, pool } = pod
  const key = `${identity}|${route.expectedIds.join()}|${route.nextHop.ip}|${route.nextHop.port}`
  let failure: CheckedOut = { kind: 'lacking', detail: 'no room for another session to the next hop' }
  const session = pool.checkout(key, () => {
    const dialled = dial(pod, route.nextHop, undefined)
    if (dialled.kind !== 'started') {
      failure = dialled
      return undefined
    }
    const transport = new TlsTransport(dialled.fd, context, 'client')
    const made: H2Session = new H2Session(dialled.fd, transport, 'client', {
      loop: shared.loop,
      limits: shared.limits,
      buffers: shared.buffers,
      checkPeer: (uris) => {
        const check = checkClientPeer(uris, route.expectedIds)
        return check.kind === 'accepted'
          ? shared.revocations.check(transport, 'source')
          : `${check.code}: ${check.reason}`
      },
      onChange: () => pool.changed(key, made),
      onClosed: () => {
        unwatch()
        pool.changed(key, made)
      },
    })
    const unwatch = shared.revocations.watch(transport, 'source', () => made.close(REVOKED))
    return made
  })
  return session === undefined ? failure : { kind: 'session', session }
}
