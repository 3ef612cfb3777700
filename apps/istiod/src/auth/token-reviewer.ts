import { createHash } from 'node:crypto'
import { type ApiResources, Field } from '@ambient/kube'
import { errorText, type Clock, SingleFlight } from '@ambient/lifecycle'
import { spiffeId } from '@ambient/spiffe'
import { bearerToken } from './bearer-token.ts'
import { AuthError, type Caller } from './caller.ts'

export interface TokenReviewerOptions {
  readonly api: Pick<ApiResources, 'create'>
  /** One of these must be among the token's audiences. */
  readonly audiences: readonly string[]
  readonly trustDomain: string
  readonly clock: Clock
}

interface Remembered {
  readonly caller: Caller
  readonly untilMs: number
}

/** A node proxy opens a stream and asks for some certificates at once: one review serves them. */
const REMEMBER_MS = 10_000
const MAX_REMEMBERED = 10_000
const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'
const EXTRA = 'authentication.kubernetes.io'

/**
 * Checks service-account tokens by asking the API server, which knows of pods that are gone and tokens that were
 * revoked. A good answer is remembered for ten seconds, a bad one never.
 *
 * @see Kubernetes TokenReview; istiod.md 1.2
 */
export class TokenReviewer {
  readonly #options: TokenReviewerOptions
  readonly #remembered = new Map<string, Remembered>()
  readonly #flights = new SingleFlight<Caller>()

  constructor(options: TokenReviewerOptions) {
    this.#options = options
  }

  /**
   * @param header The `authorization` header or metadata of the call.
   * @throws {AuthError} `TOKEN_MISSING`, or `TOKEN_INVALID` with what is wrong; the message is for our log, not the caller.
   */
  async verify(header: string | undefined): Promise<Caller> {
    const token = bearerToken(header)
    const key = createHash('sha256').update(token).digest('base64')
    const known = this.#remembered.get(key)
    if (known !== undefined && known.untilMs > this.#options.clock.monotonicMs()) return known.caller
    const caller = await this.#flights.run(key, () => this.#review(token))
    this.#remember(key, caller)
    return caller
  }

  #remember(key: string, caller: Caller): void {
    this.#remembered.delete(key)
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size >= MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest)
    this.#remembered.set(key, { caller, untilMs: this.#options.clock.monotonicMs() + REMEMBER_MS })
  }

  async #review(token: string): Promise<Caller> {
    const { api, audiences, trustDomain } = this.#options
    try {
      const answer = await api.create(PATH, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences },
      })
      return readReview(new Field('TokenReview', answer).get('status'), trustDomain)
    } catch (cause) {
      const reason = errorText(cause)
      throw new AuthError('TOKEN_INVALID', `Cannot authenticate: ${reason}`, { cause })
    }
  }
}

function readReview(status: Field, trustDomain: string): Caller {
  if (status.get('authenticated').boolean() !== true)
    throw new Error(
      `the API server does not know this token: ${status.get('error').text() ?? 'no reason given'}`,
    )
  const user = status.get('user')
  const name = user.get('username').requiredText()
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
  const isAccount = user.get('groups').texts().includes('system:serviceaccounts')
  if (namespace === undefined || serviceAccount === undefined || !isAccount)
    throw new Error(`${name} is no service account`)
  const extra = (key: string): string | undefined => user.get('extra').get(`${EXTRA}/${key}`).texts()[0]
  const [pod, uid] = [extra('pod-name'), extra('pod-uid')]
  return {
    id: spiffeId({ trustDomain, namespace, serviceAccount }),
    namespace,
    serviceAccount,
    pod: pod === undefined || uid === undefined ? undefined : { name: pod, uid },
    node: extra('node-name'),
  }
}
