import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { chooseCoding, compress } from './content-coding.ts'

export interface Answer {
  readonly status: number
  readonly contentType?: string
  readonly body: string | Uint8Array
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'any'
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
  const answer = await answerOf(options, request)
  const plain = Buffer.from(answer.body)
  const coding = chooseCoding(request.headers['accept-encoding'], plain.length)
  const body = coding === undefined ? plain : await compress(coding, plain)
  response.writeHead(answer.status, {
    'content-type': answer.contentType ?? 'text/plain; charset=utf-8',
    'content-length': body.length,
    vary: 'accept, accept-encoding',
    ...(coding !== undefined && { 'content-encoding': coding }),
  })
  response.end(body)
}

async function answerOf({ routes }: HttpServerOptions, request: IncomingMessage): Promise<Answer> {
  const url = URL.parse(request.url ?? '/', 'http://local')
  const route = url === null ? undefined : routes[url.pathname]
  if (url === null || route === undefined) return { status: 404, body: '' }
  if (route.method !== 'any' && route.method !== request.method) return { status: 405, body: '' }
  return route.answer(url.searchParams, request)
}
