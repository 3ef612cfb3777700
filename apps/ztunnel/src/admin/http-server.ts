import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'

export interface Answer {
  readonly status: number
  readonly contentType?: string
  readonly body: string
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly answer: (query: URLSearchParams, request: IncomingMessage) => Answer | Promise<Answer>
}

export interface HttpServerOptions {
  readonly host: string
  readonly port: number
  readonly routes: Readonly<Record<string, Route>>
  readonly onError: (path: string, cause: unknown) => void
}

const HEADER_TIMEOUT_MS = 2000
const MAX_HEADER_BYTES = 8192

/** A small HTTP/1.1 server for operators: fixed paths, bounded headers, one failing request fails alone. */
export class HttpServer implements AsyncDisposable {
  readonly #server

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
  }

  /** @throws The listen error (address in use, no permission): the process cannot be operated without it. */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const server = createServer(
      { headersTimeout: HEADER_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
      (request, response) => {
        respond(options, request, response).catch((cause: unknown) => {
          options.onError(request.url ?? '', cause)
          if (!response.headersSent) response.writeHead(500)
          response.end()
        })
      },
    )
    server.listen(options.port, options.host)
    await once(server, 'listening')
    return new HttpServer(server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

async function respond(
  options: HttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = URL.parse(request.url ?? '/', 'http://local')
  const route = url === null ? undefined : options.routes[url.pathname]
  if (url === null || route === undefined) return send(response, { status: 404, body: '' })
  if (route.method !== request.method) return send(response, { status: 405, body: '' })
  send(response, await route.answer(url.searchParams, request))
}

function send(response: ServerResponse, { status, contentType, body }: Answer): void {
  response.writeHead(status, {
    'content-type': contentType ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
