import { readFileSync, statSync } from 'node:fs'
import { Field, isRecord } from '@ambient/kube'
import { errorText, type Clock } from '@ambient/lifecycle'
import { type SpiffeId, spiffeId } from '@ambient/spiffe'
import { createLocalJWKSet, type JWK, type JWTPayload, jwtVerify } from 'jose'
import { bearerToken } from './bearer-token.ts'
import { AuthError, type Caller } from './caller.ts'

export interface TokenVerifierOptions {
  /** A JSON Web Key Set, as the API server publishes it. Read again when it changes. */
  readonly jwksFile: string
  /** One of these must be among the token's audiences. */
  readonly audiences: readonly string[]
  /** One of these must have issued the token; none means that the keys say enough. */
  readonly issuers: readonly string[]
  readonly trustDomain: string
  readonly clock: Clock
}

type KeySet = ReturnType<typeof createLocalJWKSet>

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 5

/** Checks service-account tokens against a key set on disk. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions
  #keys: { readonly stamp: string; readonly set: KeySet }

  private constructor(options: TokenVerifierOptions) {
    this.#options = options
    this.#keys = { stamp: stampOf(options.jwksFile), set: readKeySet(options.jwksFile) }
  }

  /** @throws {Error} naming the file, when it cannot be read or holds no key set. */
  static open(options: TokenVerifierOptions): TokenVerifier {
    return new TokenVerifier(options)
  }

  /**
   * @param header The `authorization` header or metadata of the call.
   * @throws {AuthError} `TOKEN_MISSING`, or `TOKEN_INVALID` with what is wrong; the message is for our log, not the caller.
   */
  async verify(header: string | undefined): Promise<Caller> {
    const token = bearerToken(header)
    this.#reload()
    try {
      const { audiences, issuers } = this.#options
      const { payload } = await jwtVerify(token, this.#keys.set, {
        algorithms: ALGORITHMS,
        audience: [...audiences],
        ...(issuers.length === 0 ? {} : { issuer: [...issuers] }),
        requiredClaims: ['exp', 'sub'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(this.#options.clock.nowMs()),
      })
      return readCaller(payload, this.#options.trustDomain)
    } catch (cause) {
      const reason = errorText(cause)
      throw new AuthError('TOKEN_INVALID', `Cannot authenticate: ${reason}`, { cause })
    }
  }

  /** Keys rotate: a changed file counts from the next call on; one that cannot be read leaves the old keys in force. */
  #reload(): void {
    const { jwksFile } = this.#options
    const stamp = stampOf(jwksFile)
    if (stamp === this.#keys.stamp || stamp === '') return
    try {
      this.#keys = { stamp, set: readKeySet(jwksFile) }
    } catch {
      this.#keys = { ...this.#keys, stamp }
    }
  }
}

function readKeySet(path: string): KeySet {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (!isRecord(value) || !isKeyList(value['keys'])) throw new Error('it holds no JSON Web Key Set')
    return createLocalJWKSet({ keys: value['keys'] })
  } catch (cause) {
    throw new Error(`Cannot read key set ${path}: ${errorText(cause)}`, { cause })
  }
}

/** What is inside each key is for `jose` to judge. */
function isKeyList(value: unknown): value is JWK[] {
  return Array.isArray(value) && value.every(isRecord)
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`
}

/** The claims of a token that is bound to a pod; `sub` and `kubernetes.io` must tell the same. */
function readCaller(payload: JWTPayload, trustDomain: string): Caller {
  const [, namespace = '', serviceAccount = ''] =
    /^system:serviceaccount:([^:]+):([^:]+)$/.exec(payload.sub ?? '') ?? refuse('sub', payload.sub)
  const claims = new Field('token', payload).get('kubernetes.io')
  if (claims.isAbsent) refuse('kubernetes.io', undefined)
  const claimed = {
    namespace: claims.get('namespace').text(),
    account: claims.get('serviceaccount').get('name').text(),
  }
  if (claimed.namespace !== namespace) refuse('kubernetes.io.namespace', claimed.namespace)
  if (claimed.account !== serviceAccount) refuse('kubernetes.io.serviceaccount.name', claimed.account)
  const id: SpiffeId = spiffeId({ trustDomain, namespace, serviceAccount })
  const pod = claims.get('pod')
  return {
    id,
    namespace,
    serviceAccount,
    pod: { name: pod.get('name').requiredText(), uid: pod.get('uid').requiredText() },
    node: claims.get('node').get('name').text(),
  }
}

function refuse(claim: string, value: unknown): never {
  throw new Error(
    `the claim ${claim} is not that of a pod's service account: ${JSON.stringify(value) ?? 'absent'}`,
  )
}
