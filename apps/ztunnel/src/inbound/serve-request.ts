import {
  buildBaggage,
  encodeProxyHeader,
  fieldValues,
  FORWARDED_NETWORK,
  type H2Session,
  parseBaggage,
  PROXY_TLV_PEER_ID,
  type Tunnel,
  type TunnelRequest,
} from '@ambient/hbone'
import type { SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'
import type { ReasonCode } from '@ambient/telemetry'
import { baggageFacts } from '../outbound/request-fields.ts'
import { unknownAt, unknownHost } from '../state/unknown-names.ts'
import { whenKnown } from '../worker/address-waits.ts'
import type { Connection } from '../worker/connection.ts'
import { dial } from '../worker/dial.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { tunnelOutcome } from '../worker/tunnel-outcome.ts'
import { unknownLocal } from '../worker/with-local.ts'
import { authorizeInbound } from './authorize-inbound.ts'
import { denialOf } from './denial.ts'
import { logDryRun } from './log-dry-run.ts'
import { inboundFacts } from './inbound-facts.ts'
import { type InboundRoute, resolveInbound } from './resolve-inbound.ts'

export interface RequestContext {
  readonly pod: PodContext
  readonly session: H2Session
  readonly peerId: SpiffeId
  readonly peer: SocketAddress
  readonly localIp: string
}

type Target = Extract<InboundRoute, { readonly kind: 'connect' }>

const HBONE_PORT = 15008

/** One CONNECT: validate where it wants to go, decide whether it may, dial the app as its caller, then answer. */
export function serveRequest(tunnel: Tunnel, request: TunnelRequest, context: RequestContext): void {
  const { shared, info } = context.pod
  const waits = shared.addresses
  if (waits === undefined) return resolve(tunnel, request, context)
  const { destination } = request
  const unknown = (): readonly string[] => {
    const local = shared.snapshot.localWorkload(info)
    if (local === undefined) return []
    if (destination.kind === 'hostname') return unknownHost(shared.snapshot, local, destination.hostname)
    const isOwn = destination.ip === context.localIp || local.applicationTunnel !== undefined
    return isOwn ? [] : unknownAt(shared.snapshot, local.network, destination.ip)
  }
  if (waits.unanswered(unknown()).length === 0) return resolve(tunnel, request, context)
  const wait = whenKnown(waits, unknown, () => {
    // Not told in time is not known: the request is for somebody else.
    if (!tunnel.isClosed) resolve(tunnel, request, context)
  })
  tunnel.onEnd = () => wait.cancel()
}

function resolve(tunnel: Tunnel, request: TunnelRequest, context: RequestContext): void {
  const { pod, session, peerId, peer, localIp } = context
  const { shared, info } = pod
  const refuse = (status: number, reason: ReasonCode, detail: string): void => {
    session.answer(tunnel, status)
    pod.refused({ direction: 'inbound', src: peer, dst: { ip: localIp, port: HBONE_PORT }, reason, detail })
  }
  const local = shared.snapshot.localWorkload(info)
  if (local === undefined) {
    const { reason, detail } = unknownLocal('inbound', info)
    return refuse(503, reason, detail)
  }
  const [forwardedNetwork] = fieldValues(request.fields, FORWARDED_NETWORK)
  const target = resolveInbound(shared.snapshot, {
    local,
    localIp,
    authority: request.destination,
    peer: peerId,
    peerIp: peer.ip,
    forwardedNetwork,
    network: shared.settings.network,
    tunnelsToLoopback: shared.settings.tunnelsToLoopback,
    illegalPorts: shared.illegalPorts,
  })
  if (target.kind === 'reject') return refuse(target.status, target.reason, target.detail)
  admit(tunnel, { ...context, local, target, request })
}

interface Admission extends RequestContext {
  readonly local: Workload
  readonly target: Target
  readonly request: TunnelRequest
}

function admit(tunnel: Tunnel, admission: Admission): void {
  const { pod, session, peerId, peer, localIp, local, target, request } = admission
  const { snapshot, settings } = pod.shared
  const attempt = {
    sourceIdentity: peerId,
    sourceIp: peer.ip,
    destinationIp: target.ip,
    destinationPort: target.port,
  }
  const ask = () => authorizeInbound(snapshot, snapshot.localWorkload(pod.info) ?? local, attempt)
  const decision = ask()
  logDryRun(pod, decision.dryRun, attempt)
  const [forwarded] = fieldValues(request.fields, 'forwarded')
  const facts = inboundFacts({
    snapshot,
    local,
    localId: podIdentity(pod.info, local),
    peer,
    peerId,
    source: target.sourceWorkload,
    baggage: settings.exchangesBaggage ? parseBaggage(fieldValues(request.fields, 'baggage')) : undefined,
    dialled: { ip: localIp, port: HBONE_PORT },
    authority: request.authority,
    forwarded,
    port: target.port,
    decision,
  })
  // Tracked before it is acted on, so that a policy change in between still finds it.
  const connection = pod.track(facts, () => denialOf(ask(), 'change'))
  const denial = denialOf(decision)
  if (denial.kind === 'denied') {
    connection.end({ ...denial, kind: 'failed' })
    return session.answer(tunnel, 401)
  }
  joinApp(tunnel, admission, connection)
}

function joinApp(tunnel: Tunnel, admission: Admission, connection: Connection): void {
  const { pod, session, local, target } = admission
  const to = { ip: target.dial.ip, port: target.port }
  const sourceIp = pod.keepsSource ? target.dial.sourceIp : undefined
  const app = dial(pod, to, sourceIp)
  if (app.kind !== 'started') {
    connection.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: app.detail })
    return session.answer(tunnel, 503)
  }
  connection.carriedBy(
    // Downstream is the peer here: what comes out of the tunnel goes up to the app.
    () => ({ up: tunnel.bytesDown, down: tunnel.bytesUp }),
    (outcome) => {
      connection.end(outcome)
      tunnel.abort(outcome.kind === 'failed' ? outcome.detail : 'cut')
    },
  )
  const answerFields = pod.shared.settings.exchangesBaggage
    ? [{ name: 'baggage', value: buildBaggage(baggageFacts(local)) }]
    : []
  tunnel.onConnected = () => session.answer(tunnel, 200, answerFields)
  tunnel.onEnd = (end) => connection.end(tunnelOutcome(end, to))
  tunnel.attach(app.fd, { state: 'connecting', ...proxyPreamble(admission) })
}

/** Where the app learns who its caller is and what was asked for, if it wants to be told so. */
function proxyPreamble({ peer, peerId, target }: Admission): { readonly preamble?: Uint8Array } {
  const { proxyTo } = target.dial
  if (proxyTo === undefined) return {}
  const peerIdTlv = { type: PROXY_TLV_PEER_ID, value: Buffer.from(peerId) }
  return { preamble: encodeProxyHeader(peer, proxyTo, [peerIdTlv]) }
}
