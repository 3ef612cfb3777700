import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'

/** An app: a TCP server on loopback whose behaviour is set by the test. */
export interface TestApp {
  readonly port: number
  readonly sockets: ReadonlySet<net.Socket>
  behave(onConnection: (socket: net.Socket) => void): void
  close(): Promise<void>
}

export async function listenApp(onConnection: (socket: net.Socket) => void = echo): Promise<TestApp> {
  const sockets = new Set<net.Socket>()
  let behaviour = onConnection
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    behaviour(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    sockets,
    behave: (next) => void (behaviour = next),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export function echo(socket: net.Socket): void {
  socket.pipe(socket)
}

export function portOf(server: net.Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new Error('Cannot tell the port of a server that does not listen')
  return address.port
}

export async function dial(
  port: number,
  options: { readonly onread?: net.OnReadOpts } = {},
): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, ...options })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** How a socket ended: `end` for a FIN, else the error's code. Everything it receives is read. */
export function outcomeOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('end', () => resolve('end'))
    socket.on('close', () => resolve('close'))
    socket.resume()
  })
}

/** Everything up to the FIN. */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  socket.on('data', (part) => void parts.push(bytesOf(part)))
  socket.resume()
  await once(socket, 'end')
  return Buffer.concat(parts)
}

/** Writes random bytes in pieces, then a FIN; returns their digest. */
export async function feed(socket: net.Socket, bytes: number, pieceBytes: () => number): Promise<string> {
  const hash = createHash('sha1')
  for (let left = bytes; left > 0;) {
    const piece = randomBytes(Math.min(left, pieceBytes()))
    left -= piece.length
    hash.update(piece)
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  socket.end()
  return hash.digest('hex')
}

/** Reads to the FIN; returns the digest. */
export async function digestOf(socket: net.Socket): Promise<string> {
  const hash = createHash('sha1')
  socket.on('data', (part) => hash.update(part))
  await once(socket, 'end')
  return hash.digest('hex')
}

/** Sockets here have no encoding, so that a chunk is never text. */
export function bytesOf(chunk: string | Buffer): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

/** Writes as long as the socket takes it. */
export function flood(socket: net.Socket, onPiece: (bytes: number) => void = () => {}): void {
  const piece = Buffer.alloc(65_536)
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece)) onPiece(piece.length)
  }
  socket.on('drain', more)
  more()
}

/** True once `value` has stayed the same for 300 ms. */
export function settled(value: () => number): () => boolean {
  let last: number | undefined
  let sinceMs = 0
  return () => {
    if (value() !== last) {
      last = value()
      sinceMs = performance.now()
    }
    return performance.now() - sinceMs > 300
  }
}
