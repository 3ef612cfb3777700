import { type AuthorityExpiry, CaError, type CaOutcome } from '@ambient/ca'
import type { Clock } from '@ambient/lifecycle'
import type { Metrics } from '@ambient/telemetry'

/** Istio's names of what kept a certificate from being signed. */
const SIGN_ERRORS: ReadonlyMap<string | undefined, string> = new Map([
  ['CSR_INVALID', 'CSR_ERROR'],
  ['CERTIFICATE_TTL_INVALID', 'TTL_ERROR'],
  ['CA_EXPIRED', 'CA_NOT_READY'],
])

/** What the CA counts. */
export class CaMetrics {
  readonly #metrics: Metrics
  readonly #clock: Pick<Clock, 'nowMs'>
  #expiry: AuthorityExpiry | undefined

  constructor(metrics: Metrics, clock: Pick<Clock, 'nowMs'>) {
    this.#metrics = metrics
    this.#clock = clock
  }

  onOutcome(outcome: CaOutcome): void {
    this.#metrics.add('citadel_server_csr_count', 1)
    switch (outcome.kind) {
      case 'issued':
        return this.#metrics.add('citadel_server_success_cert_issuance_count', 1)
      case 'unauthenticated':
        return this.#metrics.add('citadel_server_authentication_failure_count', 1)
      case 'refused':
      case 'failed':
        return this.#onNotSigned(outcome.cause instanceof CaError ? outcome.cause.code : undefined)
    }
  }

  /** @param code Why a caller may not have the certificate it asked for. */
  onRefused(code: string): void {
    if (code === 'IDENTITY_INVALID') this.#metrics.add('citadel_server_id_extraction_err_count', 1)
  }

  onAuthority(expiry: AuthorityExpiry): void {
    this.#expiry = expiry
  }

  /** Sets what goes by with time. */
  tick(): void {
    if (this.#expiry === undefined) return
    const { rootMs, chainMs } = this.#expiry
    const nowMs = this.#clock.nowMs()
    this.#metrics.set('citadel_server_root_cert_expiry_timestamp', rootMs / 1000)
    this.#metrics.set('citadel_server_root_cert_expiry_seconds', (rootMs - nowMs) / 1000)
    this.#metrics.set('citadel_server_cert_chain_expiry_timestamp', chainMs / 1000)
    this.#metrics.set('citadel_server_cert_chain_expiry_seconds', (chainMs - nowMs) / 1000)
  }

  #onNotSigned(code: string | undefined): void {
    if (code === 'CSR_INVALID') this.#metrics.add('citadel_server_csr_parsing_err_count', 1)
    this.#metrics.add('citadel_server_csr_sign_err_count', 1, [SIGN_ERRORS.get(code) ?? 'CERT_GEN_ERROR'])
  }
}
