import { errorText, type Scope } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { IstiodMetrics } from '../admin/istiod-metrics.ts'
import type { IstiodConfig } from '../config.ts'
import type { MeshOptions } from '../translate/mesh-options.ts'
import { decideReview } from './answer-review.ts'
import { serveWebhook, type Webhook, type WebhookCredentials } from './serve-webhook.ts'

export interface OpenWebhookDeps {
  readonly config: Pick<IstiodConfig, 'webhookName' | 'webhookPort' | 'listenAddress'>
  readonly mesh: MeshOptions
  readonly credentials: WebhookCredentials
  readonly metrics: IstiodMetrics
  readonly logger: Logger
  readonly scope: Scope
}

/** Opens the webhook if there is a configuration that sends reviews to it. */
export async function openWebhook({
  config,
  mesh,
  credentials,
  metrics,
  logger,
  scope,
}: OpenWebhookDeps): Promise<Webhook | undefined> {
  if (config.webhookName === undefined) return undefined
  const webhook = await serveWebhook({
    address: config.listenAddress,
    port: config.webhookPort,
    credentials,
    decide: (review) => decideReview(review, mesh),
    onVerdict: (review, verdict) => {
      metrics.webhook.onVerdict(review, verdict)
      if (verdict.problem !== undefined) logger.info(verdict.problem, { reason: 'RESOURCE_INVALID' })
    },
    onRefused: (status) => metrics.webhook.onRefused(status),
    onFault: (cause) => {
      metrics.onFault()
      logger.error('review failed', { error: errorText(cause) })
    },
  })
  return scope.use(webhook)
}
