import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { isAddressInfo } from '@ambient/telemetry'

export interface HttpAnswer {
  readonly status: number
  readonly type?: string
  readonly body: string
}

export interface HttpEndpoint extends AsyncDisposable {
  readonly port: number
}

const MAX_CONNECTIONS = 64

/** Serves GET by path on all addresses. Port 0 takes a free one. */
export async function openHttpEndpoint(
  port: number,
  routes: Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>,
): Promise<HttpEndpoint> {
  const server = createServer((request, response) => {
    request.resume()
    response.on('error', () => {}) // the caller went away
    const route = routes[(request.url ?? '/').split('?')[0] ?? '/']
    if (route === undefined) return send(response, { status: 404, body: 'nothing here\n' })
    Promise.resolve()
      .then(route)
      .then((answer) => send(response, answer))
      .catch(() => send(response, { status: 500, body: 'internal error\n' }))
  })
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port)
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: isAddressInfo(bound) ? bound.port : port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function send(response: ServerResponse, { status, type = 'text/plain', body }: HttpAnswer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
