import { type CertificateIssuer, type ServingCertificate, writeTrustFiles } from '@ambient/ca'
import type { GrpcCredentials } from '@ambient/grpc'
import { errorText, type Clock } from '@ambient/lifecycle'
import { renewAtMs } from '@ambient/spiffe'
import type { Logger } from '@ambient/telemetry'
import { ISTIOD_CA_LIMITS } from './ca-limits.ts'
import type { ServingNames } from './serving-names.ts'

export interface OwnCertificateDeps {
  readonly issuer: CertificateIssuer
  /** Where clients are given the roots from. */
  readonly directory: string
  readonly names: ServingNames
  readonly clock: Clock
  readonly logger: Logger
  /** Told when the roots or what is signed with have changed. */
  readonly onAuthority: () => void
}

/** What istiod serves with: its own certificate, of its own CA, and the roots that it and its clients go by. */
export class OwnCertificate {
  readonly #deps: OwnCertificateDeps
  #serving: ServingCertificate
  /** What was logged, so that it is not logged each second. */
  #problem: string | undefined

  private constructor(deps: OwnCertificateDeps, serving: ServingCertificate) {
    this.#deps = deps
    this.#serving = serving
  }

  static async open(deps: OwnCertificateDeps): Promise<OwnCertificate> {
    return new OwnCertificate(deps, await deps.issuer.issueServing(deps.names))
  }

  get credentials(): GrpcCredentials {
    const { certificateChainPem, privateKeyPem } = this.#serving
    return { certificateChainPem, privateKeyPem, clientRootsPem: this.#deps.issuer.rootsPem }
  }

  /**
   * Follows the CA until `signal` aborts: gives out its roots, and makes a new certificate when it has changed or half of
   * the old one's life is over. What cannot be used leaves everything as it was.
   *
   * @param onChange To serve with `credentials` from now on.
   */
  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    while (!signal.aborted) {
      await clock.sleep(ISTIOD_CA_LIMITS.lookMs.value, signal)
      try {
        if (await this.#look()) onChange()
        this.#problem = undefined
      } catch (cause) {
        const error = errorText(cause)
        if (error !== this.#problem) logger.error(error, { reason: 'CA_ROOT_INVALID' })
        this.#problem = error
      }
    }
  }

  /** @returns Whether there is something new to serve with. */
  async #look(): Promise<boolean> {
    const { issuer, directory, names, clock, logger, onAuthority } = this.#deps
    const hasChanged = await issuer.refresh()
    if (!hasChanged && clock.nowMs() < renewAtMs(this.#serving)) return false
    if (hasChanged) {
      await writeTrustFiles(directory, issuer)
      onAuthority()
      logger.info('certificate authority changed', {
        rootsUntil: new Date(issuer.expiry.rootMs).toISOString(),
        signsUntil: new Date(issuer.expiry.chainMs).toISOString(),
      })
    }
    this.#serving = await issuer.issueServing(names)
    return true
  }
}
