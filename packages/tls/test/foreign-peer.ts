import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import {
  connect,
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions as NodeTlsOptions,
} from 'node:tls'
import { acceptOn, closeDescriptor, listenOn, localAddress, startConnect, tcpSocket } from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { type HandshakeResult, type TlsContext, TlsTransport } from '@ambient/tls'

/** One of our connections whose other end is Node's own TLS. */
export interface ForeignConnection extends AsyncDisposable {
  readonly transport: TlsTransport
  /** How our handshake ended. */
  readonly result: HandshakeResult
  /** Node's end; undefined when it never got so far. */
  readonly foreign: TLSSocket | undefined
  /** What Node's end failed with, if it did. */
  foreignError(): string
}

/** Our server, Node's client. */
export async function acceptFromNode(
  context: TlsContext,
  options: ConnectionOptions,
): Promise<ForeignConnection> {
  const listening = listenOn({ ip: '127.0.0.1', port: 0 })
  const { port } = localAddress(listening)
  const foreign = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...options,
  })
  const errors: string[] = []
  foreign.on('error', (error) => errors.push(error.message)).resume()
  const fd = await waitFor('the connection', () => {
    const accepted = acceptOn(listening)
    return accepted.kind === 'accepted' && accepted.fd
  })
  closeDescriptor(listening)
  const transport = new TlsTransport(fd, context, 'server')
  const result = await endOf(transport)
  return {
    transport,
    result,
    foreign,
    foreignError: () => errors.join('; '),
    [Symbol.asyncDispose]: async () => {
      transport.close()
      closeDescriptor(fd)
      foreign.destroy()
      await waitFor('Node’s client to be closed', () => foreign.destroyed)
    },
  }
}

/** Our client, Node's server. */
export async function dialNode(context: TlsContext, options: NodeTlsOptions): Promise<ForeignConnection> {
  const server = createTlsServer({
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...options,
  })
  const errors: string[] = []
  const sockets: Socket[] = []
  let foreign: TLSSocket | undefined
  server.on('tlsClientError', (error) => errors.push(error.message))
  server.on('connection', (socket) => sockets.push(socket))
  server.on('secureConnection', (socket) => {
    foreign = socket.on('error', (error) => errors.push(error.message)).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const fd = tcpSocket()
  startConnect(fd, { ip: '127.0.0.1', port: address.port })
  const transport = new TlsTransport(fd, context, 'client')
  const result = await endOf(transport)
  if (result.kind === 'done')
    await waitFor('Node’s server to have decided', () => foreign !== undefined || errors.length > 0)
  return {
    transport,
    result,
    foreign,
    foreignError: () => errors.join('; '),
    [Symbol.asyncDispose]: async () => {
      transport.close()
      closeDescriptor(fd)
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Our client, and a peer that hangs up at once. */
export async function dialSilence(context: TlsContext): Promise<HandshakeResult> {
  const server = createServer((socket) =>
    socket
      .end()
      .resume()
      .on('error', () => {}),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const fd = tcpSocket()
  startConnect(fd, { ip: '127.0.0.1', port: address.port })
  const transport = new TlsTransport(fd, context, 'client')
  const result = await endOf(transport)
  transport.close()
  closeDescriptor(fd)
  server.close()
  await once(server, 'close')
  return result
}

async function endOf(transport: TlsTransport): Promise<HandshakeResult> {
  return waitFor('our handshake to end', () => {
    const result = transport.handshake()
    return result.kind !== 'wait' && result
  })
}
