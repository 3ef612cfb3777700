import type { Tunnel } from '@ambient/hbone'
import { formatAddress, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import type { AccessError } from '@ambient/telemetry'
import type { TlsContext } from '@ambient/tls'
import { unknownAt } from '../state/unknown-names.ts'
import { onDemandDnsLabels } from '../telemetry/traffic-labels.ts'
import { whenKnown } from '../worker/address-waits.ts'
import type { Connection, ConnectionFacts } from '../worker/connection.ts'
import { drawAddress, type HostAnswer } from '../worker/host-addresses.ts'
import { holdWhile } from '../worker/hold-while.ts'
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
import type { AcceptedRoute, Route, TunnelRoute, UnresolvedRoute } from './route.ts'

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

type Candidate = AcceptedRoute | UnresolvedRoute

interface Failure {
  readonly route: Candidate
  readonly by: 'next-hop' | 'beyond'
  readonly next: NextTry
}

const POD_LEFT: AccessError = {
  reason: 'DRAINED',
  detail: 'the pod left the mesh while its connection waited',
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
  /** Once there is a route; before, a failure is a refusal. */
  #connection: Connection | undefined

  constructor(wish: UpstreamWish) {
    this.#wish = wish
  }

  /** Owns `fd` from here on. */
  start(fd: number): void {
    const { destination, source, pod } = this.#wish
    const { addresses: waits, snapshot, settings } = pod.shared
    const networks = new Set([settings.network, source.network])
    const unknown = (): readonly string[] =>
      [...networks].flatMap((network) => unknownAt(snapshot, network, destination.ip))
    if (waits === undefined || waits.unanswered(unknown()).length === 0) return this.#decide(fd)
    this.#hold(
      fd,
      'its destination’s description',
      (answer: (isKnown: boolean) => void) => whenKnown(waits, unknown, answer),
      (isKnown) => {
        if (isKnown) return this.#decide(fd)
        // An unknown address may be in the mesh: to let it through in the clear would be a guess.
        const detail = `the control plane did not say in time what is at ${formatAddress(destination)}`
        this.#giveUp(fd, { reason: 'DESTINATION_UNANSWERED', detail })
      },
    )
  }

  #decide(fd: number): void {
    const route = this.#resolve()
    if (route.kind === 'reject') this.#giveUp(fd, { reason: route.reason, detail: route.detail })
    else this.#try(fd, route, (accepted) => this.#go(fd, accepted))
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

  /** Goes on with `use` once the next hop has an address: in this call if it has. */
  #try(fd: number, route: Candidate, use: (accepted: AcceptedRoute) => void): void {
    this.#tries++
    if (route.kind !== 'unresolved') return use(route)
    const { pod, source } = this.#wish
    const { hosts, random, report } = pod.shared
    const { hostname, requestedIp } = route
    const asker = { workload: source, identity: podIdentity(pod.info, source) }
    report.count('istio_on_demand_dns_total', onDemandDnsLabels(asker, hostname))
    const go = (addresses: readonly string[]): void =>
      use(route.resume(drawAddress(addresses, requestedIp, random)))
    const known = hosts.get(hostname)
    if (known !== undefined) return go(known)
    this.#hold(
      fd,
      `an address of ${hostname}`,
      (answer: (value: HostAnswer) => void) => hosts.wait(hostname, answer),
      (answer) => {
        if (answer.kind === 'resolved') return go(answer.addresses)
        const error = { reason: 'WORKLOAD_ADDRESS_UNKNOWN', detail: answer.detail } as const
        this.#failed(fd, { route, by: 'next-hop', next: 'elsewhere' }, error)
      },
    )
  }

  #hold<T>(
    fd: number,
    what: string,
    wait: Parameters<typeof holdWhile<T>>[2],
    use: (value: T) => void,
  ): void {
    const { shared } = this.#wish.pod
    const onGone = (detail: string): void => this.#end({ reason: 'DOWNSTREAM_CLOSED', detail })
    holdWhile(fd, { shared, what, onGone, connection: this.#connection }, wait, (value) => {
      if (this.#wish.pod.isOpen) use(value)
      else this.#giveUp(fd, POD_LEFT)
    })
  }

  #go(fd: number, route: AcceptedRoute): void {
    const { pod, source } = this.#wish
    // Tracked before anything is dialled, so that a change in between still finds it.
    const connection = (this.#connection ??= pod.track(this.#factsOf(route)))
    if (route.kind !== 'hbone' && route.kind !== 'double-hbone') return this.#relay(fd, route, connection)
    const onUnavailable = (error: AccessError): void => this.#giveUp(fd, error)
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
        const error = untouchedError(end.cause, route.nextHop)
        this.#failed(end.fd, { route, by, next: nextTry(end.cause) }, error)
      },
    })
    if (opened.kind === 'open') return this.#carriedBy(opened.tunnel)
    const next = opened.kind === 'failed' ? 'elsewhere' : 'give-up'
    const error = { reason: 'CONNECT_FAILED', detail: opened.detail } as const
    this.#failed(fd, { route, by: 'next-hop', next }, error)
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
    const following = this.#connection?.isEnded === true ? undefined : this.#following(failure)
    if (following === undefined) return this.#giveUp(fd, error)
    this.#wish.pod.shared.report.count('ambient_upstream_retries_total', [error.reason])
    this.#try(fd, following, (accepted) => {
      if (accepted !== failure.route) this.#connection?.reroute(this.#factsOf(accepted), error)
      this.#go(fd, accepted)
    })
  }

  #following(failure: Failure): Candidate | undefined {
    const { route, by, next } = failure
    if (next === 'give-up' || this.#tries >= OUTBOUND_LIMITS.triesPerConnection.value) return undefined
    if (next === 'again' && !this.#hasRepeated) {
      this.#hasRepeated = true
      return route
    }
    // The gateway of another network may pick somebody else for the next tunnel.
    return this.#elsewhere(failure) ?? (next === 'again' || by === 'beyond' ? route : undefined)
  }

  #elsewhere({ route: { choices }, by }: Failure): Candidate | undefined {
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

  #giveUp(fd: number, error: AccessError): void {
    this.#wish.app.onDown(fd, error)
    this.#end(error)
  }

  #end(error: AccessError): void {
    const { pod, peer, destination } = this.#wish
    if (this.#connection !== undefined) return this.#connection.end({ ...error, kind: 'failed' })
    pod.refused({ direction: 'outbound', src: peer, dst: destination, ...error })
  }
}
