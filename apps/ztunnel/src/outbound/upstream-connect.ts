import { connectFields, type Tunnel, type TunnelEnd } from '@ambient/hbone'
import { errnoName, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import type { AccessError } from '@ambient/telemetry'
import type { TlsContext } from '@ambient/tls'
import type { Connection } from '../worker/connection.ts'
import { HeldSocket } from '../worker/held-socket.ts'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { tunnelOutcome, untouchedError } from '../worker/tunnel-outcome.ts'
import { checkoutSession } from './checkout-session.ts'
import { type NextTry, nextTry } from './next-try.ts'
import { outboundFacts } from './outbound-facts.ts'
import { OUTBOUND_LIMITS } from './outbound-limits.ts'
import { requestFields } from './request-fields.ts'
import { resolveDestination } from './resolve-destination.ts'
import type { Route } from './route.ts'

type Accepted = Exclude<Route, { readonly kind: 'reject' }>
type HboneRoute = Extract<Route, { readonly kind: 'hbone' }>

/** What is to be reached, and for whom. */
export interface UpstreamWish {
  readonly pod: PodContext
  readonly peer: SocketAddress
  readonly destination: SocketAddress
  readonly source: Workload
  readonly app: AppSide
}

/** The app's end, as far as it has to be told of the other one. Its socket is its own here. */
export interface AppSide {
  /** Upstream is there; nothing of it has been delivered yet. */
  readonly onUp: (fd: number) => void
  /** No upstream could be had: closes the socket. */
  readonly onDown: (fd: number, error: AccessError) => void
}

/**
 * One app connection on its way to an upstream: decided, dialled, and decided again as long as no byte of it was read
 * and something is left to be tried. From then on the tunnel or the relay has it.
 */
export class UpstreamConnect {
  readonly #wish: UpstreamWish
  readonly #tried = new Set<string>()
  #tries = 0
  #hasRepeated = false
  #connection: Connection | undefined

  constructor(wish: UpstreamWish) {
    this.#wish = wish
  }

  /** Owns `fd` from here on. */
  start(fd: number): void {
    const route = this.#resolve()
    const { pod, app, peer, destination } = this.#wish
    if (route.kind !== 'reject') return this.#go(fd, route)
    const { reason, detail } = route
    app.onDown(fd, { reason, detail })
    pod.refused({ direction: 'outbound', src: peer, dst: destination, reason, detail })
  }

  #resolve(): Route {
    const { pod, peer, destination, source } = this.#wish
    const { snapshot, settings, random } = pod.shared
    return resolveDestination(snapshot, {
      source,
      sourceIp: peer.ip,
      destination,
      network: settings.network,
      random,
      avoid: { tried: this.#tried, failing: pod.failing },
    })
  }

  #go(fd: number, route: Accepted): void {
    this.#tries++
    // Tracked before anything is dialled, so that a change in between still finds it.
    const connection = (this.#connection ??= this.#wish.pod.track(this.#factsOf(route)))
    if (route.kind === 'hbone')
      this.#withIdentity(fd, connection, (context) => this.#tunnel(fd, route, context))
    else this.#relay(fd, route, connection)
  }

  #factsOf(route: Accepted) {
    const { pod, source, peer, destination } = this.#wish
    return outboundFacts({ source, identity: podIdentity(pod.info, source), peer, destination, route })
  }

  #withIdentity(fd: number, connection: Connection, use: (context: TlsContext) => void): void {
    const { pod, source, app } = this.#wish
    const { identities, loop, contain } = pod.shared
    const identity = podIdentity(pod.info, source)
    const known = identities.get(identity)
    if (known !== undefined) return contain(fd, () => use(known))
    const wait = identities.withContext(identity, (answer) => {
      held.release()
      contain(fd, () => {
        if (answer.kind === 'ready') return use(answer.context)
        const error = { reason: 'IDENTITY_UNAVAILABLE', detail: answer.detail } as const
        app.onDown(fd, error)
        connection.end({ ...error, kind: 'failed' })
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

  #tunnel(fd: number, route: HboneRoute, context: TlsContext): void {
    const { pod, source, peer } = this.#wish
    const identity = podIdentity(pod.info, source)
    const session = checkoutSession(pod, { route, identity, context })
    if (session.kind !== 'session') {
      const error = { reason: 'CONNECT_FAILED', detail: session.detail } as const
      return this.#failed(fd, route, session.kind === 'failed' ? 'elsewhere' : 'give-up', error)
    }
    const serviceHostname = route.destinationService?.hostname
    const { random } = pod.shared
    const fields = connectFields(route.authority, requestFields({ source, peer, serviceHostname, random }))
    const tunnel = session.session.open(fd, fields, { isWaypoint: route.isWaypoint })
    tunnel.onOpen = () => this.#isUp(fd, route)
    tunnel.onEnd = (end) => this.#tunnelEnded(end, route)
    this.#carriedBy(tunnel)
  }

  #carriedBy(tunnel: Tunnel): void {
    const connection = this.#connection
    connection?.carriedBy(
      () => ({ up: tunnel.bytesUp, down: tunnel.bytesDown }),
      (outcome) => {
        connection.end(outcome)
        tunnel.abort(outcome.kind === 'failed' ? outcome.detail : 'cut')
      },
    )
  }

  #tunnelEnded(end: TunnelEnd, route: HboneRoute): void {
    if (end.kind === 'untouched')
      return this.#failed(end.fd, route, nextTry(end.cause), untouchedError(end.cause, route.nextHop))
    this.#connection?.end(tunnelOutcome(end, route.nextHop))
  }

  #relay(fd: number, route: Accepted, connection: Connection): void {
    joinRelay(fd, {
      pod: this.#wish.pod,
      connection,
      to: route.nextHop,
      sourceIp: undefined,
      onUp: () => this.#isUp(fd, route),
      onUnreachable: (back, error, because) =>
        this.#failed(back, route, because === 'failed' ? 'elsewhere' : 'give-up', error),
    })
  }

  #isUp(fd: number, { endpoint }: Accepted): void {
    const { pod, app } = this.#wish
    if (endpoint !== undefined) pod.failing.forget(endpoint)
    app.onUp(fd)
  }

  /** The upstream of `route` could not be had: once more, somewhere else, or nowhere. */
  #failed(fd: number, route: Accepted, next: NextTry, error: AccessError): void {
    const { pod, app } = this.#wish
    const connection = this.#connection
    const following = this.#following(route, next)
    if (connection === undefined || connection.isEnded || following === undefined) {
      app.onDown(fd, error)
      return connection?.end({ ...error, kind: 'failed' })
    }
    pod.shared.report.count('ambient_upstream_retries_total', [error.reason])
    if (following !== route) connection.reroute(this.#factsOf(following), error)
    this.#go(fd, following)
  }

  #following(route: Accepted, next: NextTry): Accepted | undefined {
    if (next === 'give-up' || this.#tries >= OUTBOUND_LIMITS.triesPerConnection.value) return undefined
    if (next === 'elsewhere') return this.#elsewhere(route)
    if (this.#hasRepeated) return this.#elsewhere(route) ?? route
    this.#hasRepeated = true
    return route
  }

  #elsewhere({ endpoint }: Accepted): Accepted | undefined {
    if (endpoint === undefined) return undefined
    this.#tried.add(endpoint)
    this.#wish.pod.failing.note(endpoint)
    const other = this.#resolve()
    return other.kind === 'reject' ? undefined : other
  }
}
