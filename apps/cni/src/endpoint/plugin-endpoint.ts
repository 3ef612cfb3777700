import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { messageOf } from '../cni-error.ts'
import { answerCni, type CniActions, type CniAnswer, cniFailure } from './answer-cni.ts'
import { decodeCniRequest } from './cni-request.ts'

export interface PluginEndpointOptions {
  /** Only root may connect: whoever can, decides which pods are in the mesh. */
  readonly path: string
  readonly maxRequestBytes: number
  readonly maxConnections: number
  readonly actions: CniActions
  /** What `GET /status` answers: for people and tests. */
  readonly status: () => unknown
  readonly onAnswered: (command: string, answer: CniAnswer) => void
}

const DECODE_FAILURE = 6

/** The agent's Unix socket: `POST /cni` for the plugin, `GET /status` for people. A socket file left behind is taken over. */
export async function openPluginEndpoint(options: PluginEndpointOptions): Promise<AsyncDisposable> {
  const { path } = options
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 })
  rmSync(path, { force: true })
  const server = createServer(
    { keepAlive: false },
    (request, response) => void serve(request, response, options),
  )
  server.maxConnections = options.maxConnections
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, 0o600)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      await closed
    },
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: PluginEndpointOptions,
): Promise<void> {
  response.on('error', () => {}) // the plugin gave up
  if (request.method === 'GET' && request.url === '/status')
    return send(response, 200, JSON.stringify(options.status()))
  if (request.method !== 'POST' || request.url !== '/cni') return send(response, 404, '')
  const { command, answer } = await answerTo(request, options)
  options.onAnswered(command, answer)
  send(response, answer.exit === 0 ? 200 : 500, answer.body)
}

async function answerTo(
  request: IncomingMessage,
  options: PluginEndpointOptions,
): Promise<{ readonly command: string; readonly answer: CniAnswer }> {
  try {
    const decoded = decodeCniRequest(await readBody(request, options.maxRequestBytes))
    return { command: decoded.command, answer: await answerCni(decoded, options.actions) }
  } catch (cause) {
    return {
      command: '',
      answer: cniFailure('1.1.0', DECODE_FAILURE, 'Cannot decode the request', messageOf(cause)),
    }
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    bytes += part.length
    if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks)
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  })
  response.end(body)
}
