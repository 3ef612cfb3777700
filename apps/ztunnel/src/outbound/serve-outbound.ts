import { formatAuthority, Relay, type Tunnel, type TunnelEnd } from '@ambient/hbone'
import { originalDestination, resetSocket, setKeepAlive, setNoDelay, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import { spiffeId, type SpiffeId } from '@ambient/spiffe'
import type { Connection } from '../worker/connection.ts'
import { dial } from '../worker/dial.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { describeEnd } from '../worker/tunnel-outcome.ts'
import { checkoutSession } from './checkout-session.ts'
import { connectFields } from './connect-fields.ts'
import { outboundFacts } from './outbound-facts.ts'
import { resolveDestination, type Route } from './resolve-destination.ts'

type HboneRoute = Extract<Route, { readonly kind: 'hbone' }>
type PlainRoute = Extract<Route, { readonly kind: 'tcp' | 'passthrough' }>

const MAX_ATTEMPTS = 3

/** Takes one connection of the pod's app from its original destination to its last byte; owns `fd` from here on. */
export function serveOutbound(fd: number, peer: SocketAddress, pod: PodContext): void {
  setNoDelay(fd)
  setKeepAlive(fd)
  const destination = originalDestination(fd)
  const { shared } = pod
  shared.waits.withWorkload(pod.info, (source) =>
    shared.contain(fd, () => {
      const ends = { direction: 'outbound', src: peer, dst: destination } as const
      if (!pod.isOpen) return pod.refuse(fd, { ...ends, reason: 'DRAINED', detail: 'the pod left the mesh while its connection waited' })
      if (source === undefined) {
        const { namespace, name } = pod.info
        return pod.refuse(fd, { ...ends, reason: 'SOURCE_UNKNOWN', detail: `failed to fetch information about local workload: ${namespace}/${name}` })
      }
      const route = resolveDestination(shared.snapshot, { source, destination, sourceIp: peer.ip, network: shared.settings.network, random: shared.random })
      if (route.kind === 'reject') return pod.refuse(fd, { ...ends, reason: route.reason, detail: route.detail })
      const identity = identityOf(pod, source)
      // Tracked before anything is dialled, so that a change in between still finds it.
      const connection = pod.track(outboundFacts(pod, { source, identity, peer, destination, route }))
      if (route.kind === 'hbone') joinTunnel(fd, { pod, connection, route, identity, peer }, 1)
      else joinPlain(fd, { pod, connection, route })
    }),
  )
}

/** The identity is the control plane's trust domain with what the CNI agent said of the pod; never the packet's source. */
export function identityOf(pod: PodContext, workload: Workload): SpiffeId {
  const { namespace, serviceAccount } = pod.info
  return spiffeId({ trustDomain: workload.trustDomain, namespace, serviceAccount })
}

interface PlainJoin {
  readonly pod: PodContext
  readonly connection: Connection
  readonly route: PlainRoute
}

function joinPlain(fd: number, { pod, connection, route }: PlainJoin): void {
  const { shared } = pod
  const upstream = dial(pod, route.nextHop, { keepAlive: true, sourceIp: undefined })
  if (upstream.kind === 'failed') {
    resetSocket(fd)
    return connection.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: upstream.detail })
  }
  const relay = new Relay(fd, upstream.fd, { loop: shared.loop, limits: shared.limits, buffers: shared.buffers, idlePipes: shared.idlePipes })
  relay.onEnd = (end) => connection.end(describeEnd(end, 'outbound'))
  connection.carriedBy(
    () => ({ up: relay.bytesUp, down: relay.bytesDown }),
    (outcome) => {
      relay.abort({ kind: 'cut', reason: outcome.kind === 'failed' ? outcome.detail : '' })
      connection.end(outcome)
    },
  )
}

interface TunnelJoin {
  readonly pod: PodContext
  readonly connection: Connection
  readonly route: HboneRoute
  readonly identity: SpiffeId
  readonly peer: SocketAddress
}

function joinTunnel(fd: number, join: TunnelJoin, attempt: number): void {
  const { pod, connection, route, identity } = join
  const { shared } = pod
  shared.identities.withContext(identity, (answer) =>
    shared.contain(fd, () => {
      if (connection.isEnded) return resetSocket(fd)
      if (answer.kind === 'unavailable') {
        resetSocket(fd)
        return connection.end({ kind: 'failed', reason: 'IDENTITY_UNAVAILABLE', detail: answer.detail })
      }
      const session = checkoutSession(pod, { route, identity, context: answer.context })
      if (session.kind === 'failed') {
        resetSocket(fd)
        return connection.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: session.detail })
      }
      const tunnel = session.session.open(fd, connectFields(pod, join))
      tunnel.isWaypoint = route.isWaypoint
      tunnel.onEnd = (end) => tunnelEnded(end, join, attempt)
      carry(connection, tunnel)
    }),
  )
}

function carry(connection: Connection, tunnel: Tunnel): void {
  connection.carriedBy(
    () => ({ up: tunnel.bytesUp, down: tunnel.bytesDown }),
    (outcome) => {
      connection.end(outcome)
      tunnel.abort({ kind: 'cut', reason: outcome.kind === 'failed' ? outcome.detail : '' })
    },
  )
}

function tunnelEnded(end: TunnelEnd, join: TunnelJoin, attempt: number): void {
  const { connection, pod } = join
  // The peer never looked at the stream and no byte of the app was read: the same socket may try another session.
  if (end.kind === 'untouched') {
    if (attempt < MAX_ATTEMPTS && !connection.isEnded) return joinTunnel(end.fd, join, attempt + 1)
    resetSocket(end.fd)
  }
  connection.end(describeEnd(end, 'outbound', formatAuthority(join.route.nextHop)))
}
