import { type Client, status } from '@grpc/grpc-js'
import { callMetadata, type ControlPlaneOptions, openChannel } from '@ambient/grpc'
import type { Clock } from '@ambient/lifecycle'
import type { SpiffeId, Svid } from '@ambient/spiffe'
import {
  type CertificateRequest,
  type CertificateResponse,
  CREATE_CERTIFICATE_PATH,
  decodeCertificateResponse,
  encodeCertificateRequest,
} from '@ambient/xds-proto'
import { CaClientError } from './ca-client-error.ts'
import { caClientLimits } from './limits.ts'
import { newKey, signingRequest } from './signing-request.ts'
import { svidFromChain } from './svid-from-chain.ts'

export interface CaClientOptions extends ControlPlaneOptions {
  readonly ttlSeconds: number
  readonly clock: Pick<Clock, 'nowMs'>
  /** Only the identity that the token proves is asked for, and nobody is impersonated. */
  readonly isOwnIdentity?: boolean
}

/** Asks the CA for certificates on behalf of pods. Keys are made here and never leave. */
export class CaClient implements Disposable {
  readonly #options: CaClientOptions
  #channel: { readonly client: Client; readonly roots: string } | undefined

  constructor(options: CaClientOptions) {
    this.#options = options
  }

  /**
   * @throws {CaClientError} `CERTIFICATE_INVALID` when the answer is not a certificate of `id` with its roots.
   * @throws gRPC's own error when the call fails; the next call starts anew.
   */
  async requestCertificate(id: SpiffeId, signal: AbortSignal): Promise<Svid> {
    const key = await newKey()
    const { certChain } = await this.#call(
      {
        csr: signingRequest(id, key),
        validitySeconds: this.#options.ttlSeconds,
        metadata: this.#options.isOwnIdentity === true ? {} : { ImpersonatedIdentity: id },
      },
      signal,
    )
    const privateKeyPem = key.privateKey.export({ format: 'pem', type: 'pkcs8' })
    return svidFromChain(id, certChain, privateKeyPem, this.#options.clock.nowMs())
  }

  [Symbol.dispose](): void {
    this.#channel?.client.close()
    this.#channel = undefined
  }

  async #call(request: CertificateRequest, signal: AbortSignal): Promise<CertificateResponse> {
    const client = await this.#client()
    const metadata = await callMetadata(this.#options)
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest<CertificateRequest, CertificateResponse>(
        CREATE_CERTIFICATE_PATH,
        encodeCertificateRequest,
        decodeCertificateResponse,
        request,
        metadata,
        { deadline: this.#options.clock.nowMs() + caClientLimits.callMs },
        (error, response) => {
          signal.removeEventListener('abort', cancel)
          if (error?.code === status.DEADLINE_EXCEEDED) this.#retire(client)
          if (error !== null) reject(error)
          else if (response === undefined)
            reject(new CaClientError('CERTIFICATE_INVALID', 'The CA answered nothing'))
          else resolve(response)
        },
      )
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  /** A connection to a host that is gone would be tried for minutes: who comes next makes a new one. */
  #retire(client: Client): void {
    if (this.#channel?.client !== client) return
    this.#channel = undefined
    client.close()
  }

  /** One channel, replaced when the roots on disk have changed. */
  async #client(): Promise<Client> {
    const { address, altHostname } = this.#options
    const roots = address.plaintext ? '' : await this.#options.roots()
    if (this.#channel?.roots === roots) return this.#channel.client
    this.#channel?.client.close()
    const client = openChannel({
      address,
      altHostname,
      rootsPem: roots,
      maxMessageBytes: caClientLimits.answerBytes,
    })
    this.#channel = { client, roots }
    return client
  }
}
