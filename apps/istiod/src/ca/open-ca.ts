import {
  type AuthoritySource,
  CaError,
  caMethods,
  CertificateIssuer,
  PluggedInSource,
  SelfSignedSource,
  writeTrustFiles,
} from '@ambient/ca'
import type { GrpcMethod } from '@ambient/grpc'
import type { Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { IstiodMetrics } from '../admin/istiod-metrics.ts'
import type { CallerVerifier } from '../auth/caller-verifier.ts'
import type { IstiodConfig } from '../config.ts'
import type { NodeAuthorizerDeps } from './authorize-on-node.ts'
import { decideCertificate } from './decide-certificate.ts'

/**
 * The CA plugged in at `caDirectory`, or without one a root of our own in the state directory, where its roots are given
 * out from.
 *
 * @param keep Puts a root of our own where it outlives this process.
 * @param anchors PEM: what workloads are to trust besides, asked each time.
 * @throws {CaError} `CA_ROOT_INVALID`, naming what cannot be used; a CA that is half there does not make place for another.
 */
export async function openIssuer(
  config: Pick<
    IstiodConfig,
    | 'caDirectory'
    | 'stateDirectory'
    | 'trustDomain'
    | 'defaultCertTtlSeconds'
    | 'maxCertTtlSeconds'
    | 'givesRevocations'
  >,
  clock: Pick<Clock, 'nowMs'>,
  {
    keep,
    anchors,
  }: { readonly keep: (own: AuthoritySource) => AuthoritySource; readonly anchors: () => string },
): Promise<CertificateIssuer> {
  const { caDirectory, stateDirectory: directory, trustDomain } = config
  const issuer = await CertificateIssuer.open({
    source: (await PluggedInSource.isThere(caDirectory))
      ? new PluggedInSource(caDirectory, config)
      : keep(new SelfSignedSource({ directory, trustDomain, clock })),
    clock,
    defaultTtlSeconds: config.defaultCertTtlSeconds,
    maxTtlSeconds: config.maxCertTtlSeconds,
    anchors,
  })
  await writeTrustFiles(directory, issuer)
  return issuer
}

export interface CaServiceDeps {
  readonly issuer: CertificateIssuer
  readonly verifier: CallerVerifier
  readonly nodes: NodeAuthorizerDeps
  readonly metrics: IstiodMetrics
  readonly logger: Logger
}

/** CreateCertificate; every refusal is logged with its reason and counted. */
export function caService({
  issuer,
  verifier,
  nodes,
  metrics,
  logger,
}: CaServiceDeps): Readonly<Record<string, GrpcMethod>> {
  return caMethods(issuer, {
    authorize: async (caller, impersonated) => {
      const decision = await decideCertificate(caller, impersonated, { verifier, nodes })
      if (decision.kind === 'issue') return decision
      const { code, message } = decision
      logger.warn('certificate refused', { peer: caller.peer, reason: code, error: message })
      metrics.ca.onRefused(code)
      return { kind: 'refuse' }
    },
    onOutcome: (outcome) => {
      metrics.ca.onOutcome(outcome)
      if (outcome.kind === 'refused') {
        const { code, message } = outcome.cause
        logger.warn('certificate refused', { peer: outcome.peer, reason: code, error: message })
      } else if (outcome.kind === 'failed') {
        const { cause } = outcome
        metrics.onFault()
        const reason = cause instanceof CaError ? cause.code : undefined
        logger.error('cannot sign', { error: String(cause), ...(reason === undefined ? {} : { reason }) })
      }
    },
  })
}
