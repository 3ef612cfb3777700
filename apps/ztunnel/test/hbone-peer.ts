/** A proxy of somebody else's, made of node:http2: a waypoint, a gateway, another mesh's ztunnel. */
import { once } from 'node:events'
import http2 from 'node:http2'
import tls from 'node:tls'
import type { EventLoop } from '@ambient/event-loop'
import type { IssuedCertificate } from '@ambient/testkit'
import type { TestPod } from './pod-net.ts'

export interface HboneRequest {
  readonly authority: string
  readonly headers: http2.IncomingHttpHeaders
  /** URI of the caller's certificate. */
  readonly caller: string
}

export interface HbonePeer {
  readonly requests: readonly HboneRequest[]
  /** Connections taken so far. */
  readonly connections: number
  close(): void
}

/** Takes tunnels at 15008 of `pod`; `onTunnel` answers each. */
export function serveHbonePeer(
  pod: TestPod,
  certificate: IssuedCertificate,
  onTunnel: (stream: http2.ServerHttp2Stream, request: HboneRequest) => void,
): HbonePeer {
  const requests: HboneRequest[] = []
  const seen = { connections: 0 }
  const server = http2.createSecureServer({
    ...pemOf(certificate),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  })
  server.on('secureConnection', () => seen.connections++)
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const { socket } = stream.session ?? {}
    const caller = socket instanceof tls.TLSSocket ? (socket.getPeerCertificate().subjectaltname ?? '') : ''
    const request = { authority: headers[':authority'] ?? '', headers, caller: caller.replace(/^URI:/, '') }
    requests.push(request)
    onTunnel(stream, request)
  })
  pod.netns.enter(() => server.listen(15_008))
  return {
    requests,
    get connections() {
      return seen.connections
    },
    close: () => void server.close(),
  }
}

/** A tunnel that sends everything back. */
export function echoTunnel(stream: http2.ServerHttp2Stream): void {
  stream.respond({ ':status': 200 })
  stream.pipe(stream)
}

export interface HboneClient extends Disposable {
  readonly session: http2.ClientHttp2Session
  connect(authority: string, headers?: http2.OutgoingHttpHeaders): Promise<TunnelAnswer>
}

export interface TunnelAnswer {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly stream: http2.ClientHttp2Stream
}

/** Dials 15008 at `ip` from `pod`. */
export async function dialHbone(
  { pod, loop }: { readonly pod: TestPod; readonly loop: EventLoop },
  ip: string,
  certificate: IssuedCertificate,
): Promise<HboneClient> {
  const socket = await pod.dial(loop, ip, 15_008)
  const secure = tls.connect({
    socket,
    ...pemOf(certificate),
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  })
  const session = http2.connect('https://peer', { createConnection: () => secure })
  session.on('error', () => {})
  await once(session, 'connect')
  return {
    session,
    connect: async (authority, headers = {}) => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': authority, ...headers })
      stream.on('error', () => {})
      const [answer] = (await once(stream, 'response')) as [
        http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader,
      ]
      return { status: answer[':status'] ?? 0, headers: answer, stream }
    },
    [Symbol.dispose]: () => session.destroy(),
  }
}

function pemOf({ certificateChainPem, privateKeyPem, rootsPem }: IssuedCertificate) {
  return { cert: certificateChainPem, key: privateKeyPem, ca: rootsPem }
}
