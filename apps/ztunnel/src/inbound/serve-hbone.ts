import {
  describeSessionEnd,
  type H2Session,
  H2Session as Session,
  type RequestRefusal,
  type SessionEnd,
  type Tunnel,
  type TunnelRequest,
} from '@ambient/hbone'
import { localAddress, setNoDelay, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import { checkServerPeer, parseTrustDomain, type SpiffeId } from '@ambient/spiffe'
import type { ReasonCode } from '@ambient/telemetry'
import { type TlsContext, TlsTransport } from '@ambient/tls'
import type { PodContext, Refusal } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { REVOKED } from '../worker/revocations.ts'
import { sessionReason } from '../worker/tunnel-outcome.ts'
import { type Ends, refuseGone, withLocal } from '../worker/with-local.ts'
import { serveRequest } from './serve-request.ts'

/** Takes one HBONE connection to the pod: mTLS with the pod's own SVID, then HTTP/2, a stream a connection. Owns `fd`. */
export function serveHbone(fd: number, peer: SocketAddress, pod: PodContext): void {
  setNoDelay(fd)
  const { shared, info } = pod
  const ends = { direction: 'inbound', src: peer, dst: localAddress(fd) } as const
  withLocal(fd, pod, ends, (local) =>
    shared.identities.withContext(podIdentity(info, local), (answer) =>
      shared.contain(fd, () => {
        if (refuseGone(fd, pod, ends)) return
        if (answer.kind === 'unavailable')
          return pod.refuse(fd, { ...ends, reason: 'IDENTITY_UNAVAILABLE', detail: answer.detail })
        openSession(fd, { pod, local, context: answer.context, ends })
      }),
    ),
  )
}

interface Opening {
  readonly pod: PodContext
  readonly local: Workload
  readonly context: TlsContext
  readonly ends: Ends
}

function openSession(fd: number, { pod, local, context, ends }: Opening): void {
  const { shared } = pod
  const trustDomain = parseTrustDomain(local.trustDomain)
  let peerId: SpiffeId | undefined
  let refusal: ReasonCode = 'TRUST_DOMAIN_MISMATCH'
  const transport = new TlsTransport(fd, context, 'server')
  const session: H2Session = new Session(fd, transport, 'server', {
    loop: shared.loop,
    limits: shared.limits,
    buffers: shared.buffers,
    checkPeer: (uris) => {
      const check = checkServerPeer(uris, trustDomain)
      if (check.kind !== 'accepted') {
        refusal = check.code
        return check.reason
      }
      const revoked = shared.revocations.check(transport, 'destination')
      if (revoked === undefined) peerId = check.id
      else refusal = 'CERTIFICATE_REVOKED'
      return revoked
    },
    onRequest: (tunnel: Tunnel, request: TunnelRequest) => {
      if (peerId !== undefined)
        serveRequest(tunnel, request, { pod, session, peerId, peer: ends.src, localIp: ends.dst.ip })
    },
    onRefused: (request) => pod.refused({ ...ends, ...refusedRequest(request) }),
    onClosed: (_session, end) => {
      leave()
      unwatch()
      if (isOrdinary(end)) return
      const reason = end.kind === 'peer-refused' ? refusal : sessionReason(end)
      pod.refused({ ...ends, reason, detail: describeSessionEnd(end) })
    },
  })
  const unwatch = shared.revocations.watch(transport, 'destination', () => session.close(REVOKED))
  const leave = pod.adopt(
    { drain: () => session.drain(), close: (reason) => session.close(reason) },
    'destination',
  )
  if (session.state.kind !== 'closed') return
  leave()
  unwatch()
}

/** What is told of a session besides what becomes of its tunnels: nothing, if it ended as sessions do. */
function isOrdinary({ kind }: SessionEnd): boolean {
  return ['peer-closed', 'connection-lost', 'drained', 'closed'].includes(kind)
}

function refusedRequest({ because, reason }: RequestRefusal): Pick<Refusal, 'reason' | 'detail'> {
  const codes = {
    method: 'METHOD_NOT_CONNECT',
    authority: 'AUTHORITY_INVALID',
    'too-large': 'LIMIT_REACHED',
  } as const
  return { reason: codes[because], detail: reason }
}
