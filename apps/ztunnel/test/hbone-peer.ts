/** A proxy of somebody else's, made of node:http2: a waypoint, a gateway, another mesh's ztunnel. */
import { once } from 'node:events'
import http2 from 'node:http2'
import { duplexPair } from 'node:stream'
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
  /** RST_STREAM with any code and nothing before it, which node:http2 does not send. */
  reset(stream: http2.ServerHttp2Stream, code: number): void
  /** Every connection there is is cut at its next request, without an answer. */
  dropWhenAsked(): void
  close(): void
}

/** Takes tunnels at 15008 of `pod`; `onTunnel` answers each. */
export function serveHbonePeer(
  pod: TestPod,
  certificate: IssuedCertificate,
  onTunnel: (stream: http2.ServerHttp2Stream, request: HboneRequest) => void,
): HbonePeer {
  const requests: HboneRequest[] = []
  const sockets = new Map<http2.Http2Session, tls.TLSSocket>()
  const doomed = new Set<http2.Http2Session>()
  let connections = 0
  const server = http2.createServer()
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    const { session } = stream
    stream.on('error', () => {})
    if (session === undefined || doomed.has(session)) return session?.destroy()
    const caller = sockets.get(session)?.getPeerCertificate().subjectaltname ?? ''
    const request = { authority: headers[':authority'] ?? '', headers, caller: caller.replace(/^URI:/, '') }
    requests.push(request)
    onTunnel(stream, request)
  })
  const entry = tls.createServer({
    ...pemOf(certificate),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
  })
  entry.on('secureConnection', (socket) => {
    connections++
    // Not given to HTTP/2 itself, so that a test may put frames between.
    const [near, far] = duplexPair()
    socket.on('error', () => far.destroy())
    socket.on('close', () => far.destroy())
    far.on('close', () => socket.destroy())
    socket.pipe(near).pipe(socket)
    server.once('session', (session) => {
      sockets.set(session, socket)
      session.on('error', () => {})
      session.on('close', () => sockets.delete(session))
    })
    server.emit('connection', far)
  })
  pod.netns.enter(() => entry.listen(15_008))
  return {
    requests,
    get connections() {
      return connections
    },
    reset: ({ session, id }, code) => {
      const frame = Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      frame.writeUInt32BE(id ?? 0, 5)
      frame.writeUInt32BE(code, 9)
      if (session !== undefined) sockets.get(session)?.write(frame)
    },
    dropWhenAsked: () => {
      for (const session of sockets.keys()) doomed.add(session)
    },
    close: () => {
      entry.close()
      for (const socket of sockets.values()) socket.destroy()
    },
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

export function pemOf({ certificateChainPem, privateKeyPem, rootsPem }: IssuedCertificate) {
  return { cert: certificateChainPem, key: privateKeyPem, ca: rootsPem }
}
