import {
  type BaggageFacts,
  connectFields,
  fieldValues,
  FORWARDED_NETWORK,
  type H2Session,
  type HeaderField,
  nestSession,
  parseBaggage,
  type Tunnel,
  type TunnelEnd,
  type UntouchedCause,
} from '@ambient/hbone'
import { type SocketAddress, SyscallError } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import { checkClientPeer, type SpiffeId } from '@ambient/spiffe'
import { type TlsContext, TlsTransport } from '@ambient/tls'
import type { PodContext } from '../worker/pod-context.ts'
import { REVOKED } from '../worker/revocations.ts'
import { checkoutSession } from './checkout-session.ts'
import { requestFields } from './request-fields.ts'
import type { TunnelRoute } from './route.ts'

export interface TunnelWish {
  readonly pod: PodContext
  readonly route: TunnelRoute
  readonly source: Workload
  readonly identity: SpiffeId
  readonly context: TlsContext
  readonly peer: SocketAddress
  /** The peer has answered 200. Nothing has been delivered to the app yet. */
  readonly onOpen: (answer: TunnelAnswer) => void
  /** @param by Of a tunnel that never began: whether it got as far as beyond the gateway. */
  readonly onEnd: (end: TunnelEnd, by: 'next-hop' | 'beyond') => void
}

/** Who answered beyond a network gateway, where nobody is known by address; empty otherwise. */
export interface TunnelAnswer {
  readonly identity?: SpiffeId | undefined
  readonly baggage?: BaggageFacts | undefined
}

export type OpenedTunnel =
  | { readonly kind: 'open'; readonly tunnel: Tunnel }
  | { readonly kind: 'lacking' | 'failed'; readonly detail: string }

/** Asks the next hop of `route` for a tunnel, and through a network gateway for another one inside. Owns `fd` if it opens. */
export function openTunnel(fd: number, wish: TunnelWish): OpenedTunnel {
  const { pod, route, source, peer } = wish
  const session = checkoutSession(pod, wish)
  if (session.kind !== 'session') return session
  const serviceHostname = route.destinationService?.hostname
  const said = requestFields({ source, peer, serviceHostname, random: pod.shared.random })
  const fields = connectFields(route.authority, said)
  if (route.kind === 'double-hbone')
    return openNested(fd, wish, { outer: session.session, fields }, route.innerIds)
  const tunnel = session.session.open(fd, fields, { isWaypoint: route.isWaypoint })
  tunnel.onOpen = () => wish.onOpen({})
  tunnel.onEnd = (end) => wish.onEnd(end, 'next-hop')
  return { kind: 'open', tunnel }
}

interface Outer {
  readonly outer: H2Session
  readonly fields: readonly HeaderField[]
}

/** The inner session is never shared, so that the other network's gateway may choose an endpoint for each connection. */
function openNested(
  fd: number,
  wish: TunnelWish,
  { outer, fields }: Outer,
  innerIds: readonly SpiffeId[],
): OpenedTunnel {
  const { pod, context } = wish
  const { loop, limits, buffers, settings, revocations } = pod.shared
  let identity: SpiffeId | undefined
  let uncarried: UntouchedCause | undefined
  let inner: H2Session
  let unwatch = (): void => {}
  let revoked = (): string | undefined => undefined
  const openTransport = (near: number): TlsTransport => {
    const transport = new TlsTransport(near, context, 'client')
    unwatch = revocations.watch(transport, 'source', () => inner.close(REVOKED))
    revoked = () => revocations.check(transport, 'source')
    return transport
  }
  try {
    inner = nestSession(outer, fields, openTransport, {
      loop,
      limits,
      buffers,
      checkPeer: (uris) => {
        const check = checkClientPeer(uris, innerIds)
        if (check.kind !== 'accepted') return `${check.code}: ${check.reason}`
        identity = check.id
        return revoked()
      },
      onClosed: () => unwatch(),
      onUncarried: (cause) => void (uncarried = cause),
    })
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause
    return { kind: 'lacking', detail: cause.message }
  }
  const network = { name: FORWARDED_NETWORK, value: settings.network }
  const tunnel = inner.open(fd, [...fields, network], {
    isWaypoint: wish.route.kind !== 'hbone' && wish.route.isWaypoint,
  })
  tunnel.onOpen = (answered) => {
    const values = settings.exchangesBaggage ? fieldValues(answered, 'baggage') : []
    wish.onOpen({ identity, baggage: values.length === 0 ? undefined : parseBaggage(values) })
  }
  tunnel.onEnd = (end) => {
    inner.drain()
    if (end.kind === 'untouched' && uncarried !== undefined)
      return wish.onEnd({ ...end, cause: uncarried }, 'next-hop')
    wish.onEnd(end, 'beyond')
  }
  return { kind: 'open', tunnel }
}
