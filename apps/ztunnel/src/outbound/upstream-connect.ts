import type { Tunnel } from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import type { AccessError } from '@ambient/telemetry'
import type { TlsContext } from '@ambient/tls'
import type { Connection, ConnectionFacts } from '../worker/connection.ts'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { tunnelOutcome, untouchedError } from '../worker/tunnel-outcome.ts'
import { withIdentity } from '../worker/with-identity.ts'
import { type NextTry, nextTry } from './next-try.ts'
import { openTunnel, type TunnelAnswer } from './open-tunnel.ts'
import { outboundFacts } from './outbound-facts.ts'
import { OUTBOUND_LIMITS } from './outbound-limits.ts'
import { resolveDestination } from './resolve-destination.ts'
import type { AcceptedRoute, Route, TunnelRoute } from './route.ts'

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

interface Failure {
  readonly route: AcceptedRoute
  readonly by: 'next-hop' | 'beyond'
  readonly next: NextTry
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

  #go(fd: number, route: AcceptedRoute): void {
    this.#tries++
    // Tracked before anything is dialled, so that a change in between still finds it.
    const connection = (this.#connection ??= this.#wish.pod.track(this.#factsOf(route)))
    if (route.kind !== 'hbone' && route.kind !== 'double-hbone') return this.#relay(fd, route, connection)
    const { pod, source, app } = this.#wish
    const onUnavailable = (error: AccessError): void => {
      app.onDown(fd, error)
      connection.end({ ...error, kind: 'failed' })
    }
    const identity = podIdentity(pod.info, source)
    withIdentity(fd, { pod, identity, connection, onUnavailable }, (context) =>
      this.#tunnel(fd, route, context),
    )
  }

  #factsOf(route: AcceptedRoute, beyond: TunnelAnswer = {}): ConnectionFacts {
    const { pod, source, peer, destination } = this.#wish
    const identity = podIdentity(pod.info, source)
    return outboundFacts({ source, identity, peer, destination, route, beyond })
  }

  #tunnel(fd: number, route: TunnelRoute, context: TlsContext): void {
    const { pod, source, peer } = this.#wish
    const opened = openTunnel(fd, {
      pod,
      route,
      source,
      identity: podIdentity(pod.info, source),
      context,
      peer,
      onOpen: (answer) => {
        this.#connection?.opened(route.kind === 'hbone' ? undefined : this.#factsOf(route, answer))
        this.#isUp(fd, route)
      },
      onEnd: (end, by) => {
        if (end.kind !== 'untouched') return this.#connection?.end(tunnelOutcome(end, route.nextHop))
        this.#failed(
          end.fd,
          { route, by, next: nextTry(end.cause) },
          untouchedError(end.cause, route.nextHop),
        )
      },
    })
    if (opened.kind === 'open') return this.#carriedBy(opened.tunnel)
    const next = opened.kind === 'failed' ? 'elsewhere' : 'give-up'
    this.#failed(fd, { route, by: 'next-hop', next }, { reason: 'CONNECT_FAILED', detail: opened.detail })
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

  #relay(fd: number, route: AcceptedRoute, connection: Connection): void {
    joinRelay(fd, {
      pod: this.#wish.pod,
      connection,
      to: route.nextHop,
      sourceIp: undefined,
      onUp: () => this.#isUp(fd, route),
      onUnreachable: (back, error, because) => {
        const next = because === 'failed' ? 'elsewhere' : 'give-up'
        this.#failed(back, { route, by: 'next-hop', next }, error)
      },
    })
  }

  #isUp(fd: number, { choices }: AcceptedRoute): void {
    const { pod, app } = this.#wish
    for (const choice of choices) pod.failing.forget(choice)
    app.onUp(fd)
  }

  /** An upstream could not be had: once more, somewhere else, or nowhere. */
  #failed(fd: number, failure: Failure, error: AccessError): void {
    const { pod, app } = this.#wish
    const connection = this.#connection
    const following = this.#following(failure)
    if (connection === undefined || connection.isEnded || following === undefined) {
      app.onDown(fd, error)
      return connection?.end({ ...error, kind: 'failed' })
    }
    pod.shared.report.count('ambient_upstream_retries_total', [error.reason])
    if (following !== failure.route) connection.reroute(this.#factsOf(following), error)
    this.#go(fd, following)
  }

  #following(failure: Failure): AcceptedRoute | undefined {
    const { route, by, next } = failure
    if (next === 'give-up' || this.#tries >= OUTBOUND_LIMITS.triesPerConnection.value) return undefined
    if (next === 'again' && !this.#hasRepeated) {
      this.#hasRepeated = true
      return route
    }
    // The gateway of another network may pick somebody else for the next tunnel.
    return this.#elsewhere(failure) ?? (next === 'again' || by === 'beyond' ? route : undefined)
  }

  #elsewhere({ route: { choices }, by }: Failure): AcceptedRoute | undefined {
    const blamed = by === 'beyond' ? choices.slice(-1) : choices
    const [first] = blamed
    if (first !== undefined) this.#wish.pod.failing.note(first)
    for (const choice of blamed) {
      this.#tried.add(choice)
      const other = this.#resolve()
      if (other.kind !== 'reject') return other
    }
    return undefined
  }
}
