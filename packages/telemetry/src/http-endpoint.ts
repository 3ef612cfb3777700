import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isAddressInfo } from './listen-address.ts'

export interface HttpAnswer {
  readonly status: number
  readonly type?: 'text/plain' | 'application/json' | (string & {})
  readonly body: string
}

export interface HttpRequest {
  readonly path: string
  readonly query: URLSearchParams
  readonly isLoopback: boolean
  readonly authorization: string | undefined
}

export interface HttpEndpoint extends AsyncDisposable {
  readonly port: number
}

export type HttpRoute = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

const IDLE_MS = 90_000
const REQUEST_MS = 30_000
const MAX_CONNECTIONS = 256

/**
 * Serves GET requests by path, each route under its longest prefix that ends in `/` or its whole name.
 *
 * @param onFault Told of errors in a route; the caller of the endpoint sees 500.
 */
export async function serveHttp(
  at: { readonly address: string; readonly port: number },
  routes: Readonly<Record<string, HttpRoute>>,
  onFault: (cause: unknown) => void,
): Promise<HttpEndpoint> {
  // Not every thread that writes a log line serves HTTP.
  const { createServer } = await import('node:http')
  const server = createServer(
    { keepAliveTimeout: IDLE_MS, requestTimeout: REQUEST_MS },
    (message, response) => {
      message.resume()
      void answer(message, routes, onFault).then((found) => send(response, found))
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.listen(at.port, at.address)
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: isAddressInfo(bound) ? bound.port : at.port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(
  message: IncomingMessage,
  routes: Readonly<Record<string, HttpRoute>>,
  onFault: (cause: unknown) => void,
): Promise<HttpAnswer> {
  if (message.method !== 'GET' && message.method !== 'HEAD') return { status: 405, body: 'only GET\n' }
  const [path = '/', search] = (message.url ?? '/').split('?', 2)
  const query = new URLSearchParams(search)
  const route = routes[path] ?? routes[`/${path.split('/')[1] ?? ''}/`]
  if (route === undefined) return { status: 404, body: `nothing at ${path}\n` }
  try {
    const isLoopback = /^(127\.|::1$|::ffff:127\.)/.test(message.socket.remoteAddress ?? '')
    return await route({ path, query, isLoopback, authorization: message.headers.authorization })
  } catch (cause) {
    onFault(cause)
    return { status: 500, body: 'internal error\n' }
  }
}

function send(response: ServerResponse, { status, type = 'text/plain', body }: HttpAnswer): void {
  response.on('error', () => {}) // the caller went away
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
