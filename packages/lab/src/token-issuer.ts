import { randomUUID } from 'node:crypto'
import type { Clock } from '@ambient/lifecycle'
import type { CryptoKey, JSONWebKeySet } from 'jose'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { CLUSTER_DOMAIN } from './lab-addresses.ts'

/** Who a token speaks for: a service account, bound to one pod on one node. */
export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: string
  readonly pod: { readonly name: string; readonly uid: string }
  readonly nodeName: string
}

export const TOKEN_ISSUER: string = `https://kubernetes.default.svc.${CLUSTER_DOMAIN}`

/** The API server's part in projected service-account tokens. */
export class TokenIssuer {
  readonly #clock: Clock
  readonly #privateKey: CryptoKey
  readonly #uids = new Map<string, string>()
  /** What a verifier reads the public key from. */
  readonly jwks: JSONWebKeySet

  private constructor(clock: Clock, privateKey: CryptoKey, jwks: JSONWebKeySet) {
    this.#clock = clock
    this.#privateKey = privateKey
    this.jwks = jwks
  }

  static async create(clock: Clock): Promise<TokenIssuer> {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'lab', alg: 'RS256', use: 'sig' }
    return new TokenIssuer(clock, privateKey, { keys: [jwk] })
  }

  /** @see Kubernetes service account tokens, "Bound service account tokens": the claims a kubelet's token has */
  issue(
    subject: TokenSubject,
    options: { readonly audience: string; readonly expirationSeconds: number },
  ): Promise<string> {
    const { namespace, serviceAccount, pod, nodeName } = subject
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1000)
    const claims = {
      'kubernetes.io': {
        namespace,
        node: { name: nodeName, uid: this.#uid(`node ${nodeName}`) },
        pod: { name: pod.name, uid: pod.uid },
        serviceaccount: { name: serviceAccount, uid: this.#uid(`${namespace}/${serviceAccount}`) },
      },
    }
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'lab' })
      .setIssuer(TOKEN_ISSUER)
      .setAudience([options.audience])
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + options.expirationSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey)
  }

  #uid(of: string): string {
    const uid = this.#uids.get(of) ?? randomUUID()
    this.#uids.set(of, uid)
    return uid
  }
}
