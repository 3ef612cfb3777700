import { type KindName, KubeError } from '@ambient/kube'
import type { Metrics } from '@ambient/telemetry'
import type { Review, Verdict } from '../webhook/answer-review.ts'

/** What the validating webhook counts, under the names that Istio's has. */
export class WebhookMetrics {
  readonly #metrics: Metrics

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  onVerdict({ group, version, resource }: Review, { problem }: Verdict): void {
    if (problem === undefined) this.#metrics.add('galley_validation_passed', 1, [group, version, resource])
    else this.#metrics.add('galley_validation_failed', 1, [group, version, resource, 'invalid_resource'])
  }

  onRefused(status: number): void {
    this.#metrics.add('galley_validation_http_error', 1, [`${status}`])
  }

  /** @param cause Why the CA bundle could not be written; undefined when it was. */
  onBundleWrite(kind: KindName, cause: unknown): void {
    if (kind !== 'ValidatingWebhookConfiguration') return
    if (cause === undefined) return this.#metrics.add('galley_validation_config_updates', 1)
    const reason = cause instanceof KubeError ? cause.code : 'unknown'
    this.#metrics.add('galley_validation_config_update_error', 1, [reason])
  }
}
