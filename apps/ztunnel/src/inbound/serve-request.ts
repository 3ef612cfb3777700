import { buildBaggage, type H2Session, parseAuthority, type Tunnel, type TunnelRequest } from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { SpiffeId } from '@ambient/spiffe'
import type { ReasonCode } from '@ambient/telemetry'
import { baggageFacts } from '../outbound/connect-fields.ts'
import { dial } from '../worker/dial.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { tunnelOutcome } from '../worker/tunnel-outcome.ts'
import { authorizeInbound } from './authorize-inbound.ts'
import { denialOf } from './denial.ts'
import { hboneFacts } from './inbound-facts.ts'
import { resolveInbound } from './resolve-inbound.ts'

export interface RequestContext {
  readonly pod: PodContext
  readonly session: H2Session
  readonly peerId: SpiffeId
  readonly peer: SocketAddress
  readonly localIp: string
}

/** One CONNECT: validate where it wants to go, decide whether it may, dial the app as its caller, then answer. */
export function serveRequest(tunnel: Tunnel, request: TunnelRequest, context: RequestContext): void {
  const { pod, session, peerId, peer, localIp } = context
  const { shared, info } = pod
  const refuse = (status: number, reason: ReasonCode, detail: string): void => {
    session.answer(tunnel, status)
    pod.refused({ direction: 'inbound', src: peer, dst: { ip: localIp, port: 15008 }, reason, detail })
  }
  const local = shared.snapshot.localWorkload(info)
  if (local === undefined) return refuse(503, 'SOURCE_UNKNOWN', `failed to fetch information about local workload: ${info.namespace}/${info.name}`)
  const authority = parseAuthority(request.authority)
  if (authority === undefined) return refuse(400, 'AUTHORITY_INVALID', `no valid authority pseudo header: "${request.authority.slice(0, 200)}"`)
  const target = resolveInbound(shared.snapshot, { local, localIp, authority, peer: peerId, peerIp: peer.ip })
  if (target.kind === 'reject') return refuse(target.status, target.reason, target.detail)

  const attempt = { sourceIdentity: peerId, sourceIp: peer.ip, destinationIp: target.ip, destinationPort: target.port }
  const ask = () => authorizeInbound(shared.snapshot, shared.snapshot.localWorkload(info) ?? local, attempt)
  const decision = ask()
  // Tracked before it is decided, so that a policy change in between still finds it.
  const connection = pod.track(hboneFacts(context, { local, request, target, decision }), () => denialOf(ask()))
  const denial = denialOf(decision)
  if (denial.kind === 'denied') {
    connection.end({ kind: 'failed', reason: denial.reason, detail: denial.detail })
    return session.answer(tunnel, 401)
  }
  const sourceIp = target.ip === peer.ip ? undefined : peer.ip
  const app = dial(pod, target, { keepAlive: true, sourceIp })
  if (app.kind === 'failed') {
    connection.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: app.detail })
    return session.answer(tunnel, 503)
  }
  connection.carriedBy(
    // Downstream is the peer here: what comes out of the tunnel goes up to the app.
    () => ({ up: tunnel.bytesDown, down: tunnel.bytesUp }),
    (outcome) => {
      connection.end(outcome)
      tunnel.abort({ kind: 'cut' })
    },
  )
  tunnel.onConnected = () => session.answer(tunnel, 200, [{ name: 'baggage', value: buildBaggage(baggageFacts(local)) }])
  tunnel.onEnd = (end) => {
    connection.end(tunnelOutcome(end, target))
    if (end.kind === 'connect-failed') session.answer(tunnel, 503)
  }
  tunnel.attach(app.fd, 'connecting', shared.limits.connectMs)
}
