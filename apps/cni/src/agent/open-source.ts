import {
  ApiResources,
  FileResources,
  inClusterAccess,
  kubeconfigAccess,
  type ResourceSource,
  type ResourceWriter,
} from '@ambient/kube'
import type { Clock, Random, Scope } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { AgentOptions } from './agent-options.ts'

export interface SourceDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
  readonly scope: Scope
}

/** Where pods and namespaces come from: a directory, or the API server. @throws when it cannot be used; the message names it. */
export async function openSource(
  { source, podNamespace }: AgentOptions,
  { clock, random, logger, version, scope }: SourceDeps,
): Promise<ResourceSource & ResourceWriter> {
  if (source.kind === 'directory')
    return scope.use(
      await FileResources.open({
        directory: source.directory,
        clock,
        report: ({ file, message }) => logger.error(message, { reason: 'MANIFEST_INVALID', file }),
      }),
    )
  const access =
    source.kubeconfig === undefined
      ? inClusterAccess(source.environment)
      : await kubeconfigAccess(source.kubeconfig)
  return scope.use(
    new ApiResources({
      access,
      clock,
      random,
      namespace: podNamespace,
      userAgent: `ambient-cni/${version}`,
      report: (message) => logger.warn(message, { reason: 'API_SERVER_UNAVAILABLE' }),
    }),
  )
}
