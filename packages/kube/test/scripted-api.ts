import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ScriptedRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

export type Script = (request: ScriptedRequest, response: ServerResponse) => void

/** An HTTP server that says what a test tells it to: for what a real API server does only on its bad days. */
export class ScriptedApi implements AsyncDisposable {
  readonly requests: ScriptedRequest[] = []
  readonly origin: string
  readonly #server: ReturnType<typeof createServer>

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async open(script: Script): Promise<ScriptedApi> {
    const holder: { api?: ScriptedApi } = {}
    const server = createServer((incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const url = new URL(incoming.url ?? '/', 'http://api')
        const text = Buffer.concat(chunks).toString()
        const request = {
          method: incoming.method ?? '',
          path: url.pathname,
          query: url.searchParams,
          headers: incoming.headers,
          body: text === '' ? undefined : (JSON.parse(text) as unknown),
        }
        holder.api?.requests.push(request)
        script(request, response)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (holder.api = new ScriptedApi(server))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export function pod(name: string, version: number, extra: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      resourceVersion: `${version}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      managedFields: [{ manager: 'kubelet' }],
      ...extra,
    },
  }
}

export function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

export function list(items: readonly object[], version: number, next = ''): object {
  return { kind: 'PodList', metadata: { resourceVersion: `${version}`, continue: next }, items }
}

export function event(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`
}
