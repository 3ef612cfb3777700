import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { KubeError, parseObject } from '@ambient/kube'
import { isAddressInfo } from '@ambient/telemetry'
import { readReview, type Review, reviewAnswer, type Verdict } from './answer-review.ts'
import { WEBHOOK_LIMITS } from './webhook-limits.ts'

/** What it serves with, as istiod's own certificate says it. */
export interface WebhookCredentials {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
}

export interface WebhookOptions {
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly credentials: WebhookCredentials
  readonly decide: (review: Review) => Verdict
  readonly onVerdict: (review: Review, verdict: Verdict) => void
  /** Told of requests that are no reviews. */
  readonly onRefused: (status: number) => void
  /** Told of what went wrong here; the API server then goes by the webhook's failure policy. */
  readonly onFault: (cause: unknown) => void
}

export interface Webhook extends AsyncDisposable {
  readonly port: number
  /** For connections from now on. */
  setCredentials(credentials: WebhookCredentials): void
}

const PATH = '/validate'

/** Answers the API server's admission reviews over TLS. Whoever else calls learns nothing that is not in their own question. */
export async function serveWebhook(options: WebhookOptions): Promise<Webhook> {
  const server = createServer(
    {
      ...contextOf(options.credentials),
      keepAliveTimeout: WEBHOOK_LIMITS.idleMs.value,
      requestTimeout: WEBHOOK_LIMITS.reviewMs.value,
    },
    (message, response) => void answer(message, response, options),
  )
  server.maxConnections = WEBHOOK_LIMITS.connections.value
  server.on('tlsClientError', () => {}) // who does not trust us says so himself
  server.listen(options.port, options.address)
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: isAddressInfo(bound) ? bound.port : options.port,
    setCredentials: (credentials) => server.setSecureContext(contextOf(credentials)),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function contextOf({ certificateChainPem, privateKeyPem }: WebhookCredentials): SecureContextOptions {
  return { cert: certificateChainPem, key: privateKeyPem, minVersion: 'TLSv1.2' }
}

type Answer =
  | { readonly status: 200; readonly body: object }
  | { readonly status: 400 | 404 | 405 | 413 | 415 | 500; readonly body: string }

const TOO_LARGE: Answer = { status: 413, body: 'the review is too large' }

async function answer(
  message: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
): Promise<void> {
  message.on('error', () => {}) // the caller went away; reading it ends with the same error
  response.on('error', () => {})
  const found = await judge(message, options)
  if (found.status !== 200) options.onRefused(found.status)
  const text = found.status === 200 ? JSON.stringify(found.body) : `${found.body}\n`
  const type = found.status === 200 ? 'application/json' : 'text/plain'
  response.writeHead(found.status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    ...(found.status === 413 ? { connection: 'close' } : {}),
  })
  response.end(text)
}

async function judge(
  message: IncomingMessage,
  { decide, onVerdict, onFault }: WebhookOptions,
): Promise<Answer> {
  const refusal = refusalOf(message)
  try {
    if (refusal !== undefined) {
      message.resume()
      return refusal
    }
    const text = await readBody(message)
    if (text === undefined) return TOO_LARGE
    const value = parseObject(text)
    if (value === undefined) return { status: 400, body: 'the body is no JSON object' }
    const review = readReview(value)
    const verdict = decide(review)
    onVerdict(review, verdict)
    return { status: 200, body: reviewAnswer(review, verdict) }
  } catch (cause) {
    if (cause instanceof KubeError) return { status: 400, body: cause.message }
    onFault(cause)
    return { status: 500, body: 'internal error' }
  }
}

function refusalOf({ method, url = '/', headers }: IncomingMessage): Answer | undefined {
  if (url.split('?', 1)[0] !== PATH) return { status: 404, body: `nothing at ${url}` }
  if (method !== 'POST') return { status: 405, body: 'only POST' }
  const [type = ''] = (headers['content-type'] ?? '').split(';')
  if (type.trim() !== 'application/json') return { status: 415, body: 'only application/json' }
  return Number(headers['content-length'] ?? 0) > WEBHOOK_LIMITS.reviewBytes.value ? TOO_LARGE : undefined
}

/** @returns undefined for more than a review may have. */
async function readBody(message: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of message) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    length += part.length
    if (length > WEBHOOK_LIMITS.reviewBytes.value) return undefined
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString()
}
