import 'reflect-metadata'
import { ChannelCredentials, Client, Metadata } from '@grpc/grpc-js'
import { PemConverter, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import type { Clock } from '@ambient/lifecycle'
import { readCertificate, type SpiffeId, type Svid } from '@ambient/spiffe'
import { type CertificateRequest, type CertificateResponse, CREATE_CERTIFICATE_PATH, decodeCertificateResponse, encodeCertificateRequest } from '@ambient/xds-proto'
import { CaError } from './ca-error.ts'
import { CURVE, SIGNATURE } from './key-algorithm.ts'
import { serverIdentity } from './server-identity.ts'

export interface CaClientOptions {
  readonly address: { readonly host: string; readonly port: number; readonly plaintext: boolean }
  /** PEM; read anew whenever the channel is opened. */
  readonly roots: () => Promise<string>
  readonly altHostname: string | undefined
  readonly token: () => Promise<string | undefined>
  readonly headers: Readonly<Record<string, string>>
  readonly clusterId: string
  readonly ttlSeconds: number
  readonly clock: Pick<Clock, 'nowMs'>
}

const CALL_MS = 10_000
const CHANNEL_OPTIONS = { 'grpc.enable_retries': 0, 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 5000 }

/** Asks the CA for certificates on behalf of pods. Keys are made here and never leave. */
export class CaClient implements Disposable {
  readonly #options: CaClientOptions
  #channel: { readonly client: Client; readonly roots: string } | undefined

  constructor(options: CaClientOptions) {
    this.#options = options
  }

  /**
   * @throws {CaError} `CERTIFICATE_INVALID` when the answer is not a certificate of `id` with its roots.
   * @throws gRPC's own error when the call fails; the next call starts anew.
   */
  async requestCertificate(id: SpiffeId, signal: AbortSignal): Promise<Svid> {
    const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
    const csr = await Pkcs10CertificateRequestGenerator.create({ name: '', keys, signingAlgorithm: SIGNATURE, extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: id }], true)] })
    const { certChain } = await this.#call({ csr: `${csr.toString('pem')}\n`, validitySeconds: this.#options.ttlSeconds, metadata: { ImpersonatedIdentity: id } }, signal)
    const privateKeyPem = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    return svidOf(id, certChain, privateKeyPem)
  }

  [Symbol.dispose](): void {
    this.#channel?.client.close()
    this.#channel = undefined
  }

  async #call(request: CertificateRequest, signal: AbortSignal): Promise<CertificateResponse> {
    const client = await this.#client()
    const metadata = await this.#metadata()
    return await new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest<CertificateRequest, CertificateResponse>(
        CREATE_CERTIFICATE_PATH,
        encodeCertificateRequest,
        decodeCertificateResponse,
        request,
        metadata,
        { deadline: this.#options.clock.nowMs() + CALL_MS },
        (error, response) => {
          signal.removeEventListener('abort', cancel)
          if (error !== null) reject(error)
          else if (response === undefined) reject(new CaError('CERTIFICATE_INVALID', 'The CA answered nothing'))
          else resolve(response)
        },
      )
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  /** One channel, replaced when the roots on disk have changed. */
  async #client(): Promise<Client> {
    const { address, altHostname } = this.#options
    const roots = address.plaintext ? '' : await this.#options.roots()
    if (this.#channel?.roots === roots) return this.#channel.client
    this.#channel?.client.close()
    const target = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    const identity = serverIdentity(address.host, altHostname)
    const credentials = address.plaintext ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(Buffer.from(roots), null, null, { checkServerIdentity: identity.check })
    const client = new Client(target, credentials, { ...CHANNEL_OPTIONS, ...identity.channelOptions })
    this.#channel = { client, roots }
    return client
  }

  async #metadata(): Promise<Metadata> {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(this.#options.headers)) metadata.set(name, value)
    const token = await this.#options.token()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    metadata.set('clusterid', this.#options.clusterId)
    return metadata
  }
}

/** Leaf first, intermediates, and in the last element all roots. */
function svidOf(id: SpiffeId, certChain: readonly string[], privateKeyPem: string): Svid {
  const roots = certChain.at(-1)
  if (roots === undefined || certChain.length < 2) throw new CaError('CERTIFICATE_INVALID', `Cannot use the certificate of ${id}: expected a leaf and roots, got ${certChain.length} element(s)`)
  const certificateChainPem = certChain.slice(0, -1).join('\n')
  const { uris, notBeforeMs, notAfterMs } = readCertificate(certificateChainPem)
  if (uris.length !== 1 || uris[0] !== id) throw new CaError('CERTIFICATE_INVALID', `Cannot use a certificate of ${uris.join(', ') || 'nobody'}: ${id} was asked for`)
  readCertificate(roots)
  return { id, certificateChainPem, privateKeyPem, trustBundlePem: roots, notBeforeMs, notAfterMs }
}
