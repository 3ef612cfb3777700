import { text as textOf } from 'node:stream/consumers'
import { errorText, Backoff, type Clock, type Random } from '@ambient/lifecycle'
import { Agent, type Dispatcher, request } from 'undici'
import { Field, isRecord, type UnknownRecord } from '../field.ts'
import { KubeError, type KubeErrorCode } from '../kube-error.ts'
import { KUBE_LIMITS } from '../limits.ts'
import type { ApiAccess } from './api-access.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** For PATCH: which kind of patch; JSON otherwise. */
  readonly contentType?: 'application/merge-patch+json' | 'application/apply-patch+yaml'
}

export interface ApiClientDeps {
  readonly access: ApiAccess
  readonly clock: Clock
  readonly random: Random
  /** Sent as `user-agent`, so that the API server's audit log tells our parts apart. */
  readonly userAgent: string
}

/** An answer other than success, with what the API server said. */
export class ApiError extends KubeError {
  readonly status: number
  /** The `reason` of its Status object: `Conflict`, `Expired`, `AlreadyExists` … */
  readonly reason: string

  constructor(
    code: KubeErrorCode,
    message: string,
    answer: { status: number; reason: string; cause?: unknown },
  ) {
    super(code, message, { cause: answer.cause })
    this.status = answer.status
    this.reason = answer.reason
  }
}

const CONNECTIONS = 64
const RETRY_BACKOFF = { firstMs: 100, factor: 2, maxMs: 5_000, jitter: 0.3 } as const

/**
 * Requests to the API server, over connections that are kept. What it refuses because it is busy, or what is lost on
 * the way, is asked again a few times; everything else is an `ApiError`.
 */
export class ApiClient implements AsyncDisposable {
  readonly #deps: ApiClientDeps
  readonly #dispatcher: Dispatcher

  constructor(deps: ApiClientDeps) {
    this.#deps = deps
    this.#dispatcher = new Agent({
      connect: { ...deps.access.tls, timeout: KUBE_LIMITS.apiConnectMs.value },
      connections: CONNECTIONS,
      headersTimeout: KUBE_LIMITS.apiAnswerMs.value,
      bodyTimeout: 0, // a watch is silent for minutes; who watches has a deadline of its own
    })
  }

  /** @returns The object that the answer holds. @throws {ApiError} */
  async send(what: ApiRequest, signal?: AbortSignal): Promise<UnknownRecord> {
    const backoff = new Backoff(RETRY_BACKOFF, this.#deps.random)
    for (let attempt = 1; ; attempt++) {
      try {
        const { body } = await this.#request(what, signal)
        return readJson(await textOf(body), what)
      } catch (cause) {
        const error = this.#errorOf(cause, what)
        if (signal?.aborted === true) throw cause
        if (error.code !== 'API_UNAVAILABLE' || attempt >= KUBE_LIMITS.apiAttempts.value) throw error
      }
      await this.#deps.clock.sleep(backoff.nextMs(), signal)
    }
  }

  /** Opens a watch: the body is one JSON object a line, until the server or `signal` ends it. @throws {ApiError} */
  async stream(what: ApiRequest, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    try {
      return (await this.#request(what, signal)).body
    } catch (cause) {
      throw this.#errorOf(cause, what)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  async #request(what: ApiRequest, signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { access, userAgent } = this.#deps
    const authorization = await access.authorization()
    const url = new URL(what.path, access.origin)
    for (const [name, value] of Object.entries(what.query ?? {})) url.searchParams.set(name, value)
    const answer = await request(url, {
      dispatcher: this.#dispatcher,
      method: what.method,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(authorization === undefined ? {} : { authorization }),
        ...(what.body === undefined ? {} : { 'content-type': what.contentType ?? 'application/json' }),
      },
      body: what.body === undefined ? null : JSON.stringify(what.body),
      ...(signal === undefined ? {} : { signal }),
    })
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
    throw refusal(what, answer.statusCode, await textOf(answer.body))
  }

  #errorOf(cause: unknown, what: ApiRequest): ApiError {
    if (cause instanceof ApiError) return cause
    const reason = errorText(cause)
    return new ApiError(
      'API_UNAVAILABLE',
      `Cannot ${describe(what)} at ${this.#deps.access.origin}: ${reason}`,
      {
        status: 0,
        reason: 'Unreachable',
        cause,
      },
    )
  }
}

function refusal(what: ApiRequest, status: number, body: string): ApiError {
  const said = parseObject(body) ?? {}
  const { message, reason } = said
  const words = typeof message === 'string' ? message : body.slice(0, 200)
  return new ApiError(
    codeOf(status, reason),
    `Cannot ${describe(what)}: the API server answered ${status}: ${words}`,
    {
      status,
      reason: typeof reason === 'string' ? reason : '',
    },
  )
}

function codeOf(status: number, reason: unknown): KubeErrorCode {
  if (status === 404) return 'OBJECT_NOT_FOUND'
  if (status === 409) return 'API_CONFLICT'
  if (status === 410 || reason === 'Expired') return 'API_EXPIRED'
  if (status === 400 || status === 422) return 'OBJECT_INVALID'
  return status === 429 || status >= 500 ? 'API_UNAVAILABLE' : 'API_REFUSED'
}

function readJson(text: string, what: ApiRequest): UnknownRecord {
  const value = parseObject(text)
  if (value !== undefined) return value
  throw new ApiError(
    'API_UNAVAILABLE',
    `Cannot ${describe(what)}: the API server's answer is no JSON object`,
    {
      status: 200,
      reason: 'Unreadable',
    },
  )
}

/** @returns undefined for what is no JSON object. */
export function parseObject(text: string): UnknownRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** `metadata.resourceVersion` and the like of an answer. */
export function metadataOf(answer: UnknownRecord): Field {
  return new Field('answer of the API server', answer).get('metadata')
}

function describe({ method, path }: ApiRequest): string {
  return `${method} ${path}`
}
