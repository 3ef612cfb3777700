import { connectFields, type Tunnel, type TunnelEnd } from '@ambient/hbone'
import {
  originalDestination,
  resetSocket,
  setKeepAlive,
  setNoDelay,
  type SocketAddress,
} from '@ambient/linux'
import type { Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'
import type { Connection } from '../worker/connection.ts'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { tunnelOutcome } from '../worker/tunnel-outcome.ts'
import { withLocal } from '../worker/with-local.ts'
import { checkoutSession } from './checkout-session.ts'
import { requestFields } from './request-fields.ts'
import { outboundFacts } from './outbound-facts.ts'
import { resolveDestination } from './resolve-destination.ts'
import type { Route } from './route.ts'

type HboneRoute = Extract<Route, { readonly kind: 'hbone' }>

const MAX_ATTEMPTS = 3

/** Takes one connection of the pod's app from its original destination to its last byte; owns `fd` from here on. */
export function serveOutbound(fd: number, peer: SocketAddress, pod: PodContext): void {
  setNoDelay(fd)
  setKeepAlive(fd)
  const destination = originalDestination(fd)
  const { shared, info } = pod
  const ends = { direction: 'outbound', src: peer, dst: destination } as const
  withLocal(fd, pod, ends, (source) => {
    const { network } = shared.settings
    const route = resolveDestination(shared.snapshot, {
      source,
      destination,
      sourceIp: peer.ip,
      network,
      random: shared.random,
    })
    if (route.kind === 'reject')
      return pod.refuse(fd, { ...ends, reason: route.reason, detail: route.detail })
    const identity = podIdentity(info, source)
    // Tracked before anything is dialled, so that a change in between still finds it.
    const connection = pod.track(outboundFacts({ source, identity, peer, destination, route }))
    if (route.kind === 'hbone') return joinTunnel(fd, { pod, connection, route, identity, source, peer }, 1)
    joinRelay(fd, { pod, connection, to: route.nextHop, sourceIp: undefined, denied: undefined })
  })
}

interface TunnelJoin {
  readonly pod: PodContext
  readonly connection: Connection
  readonly route: HboneRoute
  readonly identity: SpiffeId
  readonly source: Workload
  readonly peer: SocketAddress
}

function joinTunnel(fd: number, join: TunnelJoin, attempt: number): void {
  const { pod, connection, route, identity, source, peer } = join
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
      const serviceHostname = route.destinationService?.hostname
      const fields = connectFields(
        route.authority,
        requestFields({ source, peer, serviceHostname, random: shared.random }),
      )
      const tunnel = session.session.open(fd, fields, { isWaypoint: route.isWaypoint })
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
      tunnel.abort(outcome.kind === 'failed' ? outcome.detail : 'cut')
    },
  )
}

function tunnelEnded(end: TunnelEnd, join: TunnelJoin, attempt: number): void {
  const { connection } = join
  // The peer never looked at the stream and no byte of the app was read: the same socket may try another session.
  if (end.kind === 'untouched') {
    if (attempt < MAX_ATTEMPTS && !connection.isEnded) return joinTunnel(end.fd, join, attempt + 1)
    resetSocket(end.fd)
  }
  connection.end(tunnelOutcome(end, join.route.nextHop))
}
