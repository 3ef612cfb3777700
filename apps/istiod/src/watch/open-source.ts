import type { AuthoritySource } from '@ambient/ca'
import {
  ApiResources,
  Field,
  FileResources,
  inClusterAccess,
  kubeconfigAccess,
  type OwnerReference,
  type ResourceSource,
  type ResourceWriter,
} from '@ambient/kube'
import type { Clock, Random, Scope } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { Caller } from '../auth/caller.ts'
import { TokenReviewer } from '../auth/token-reviewer.ts'
import { TokenVerifier } from '../auth/token-verifier.ts'
import { SecretSource } from '../ca/secret-source.ts'
import type { IstiodConfig } from '../config.ts'
import { logProblem } from '../log-problem.ts'

/** Where the objects of the mesh come from, and who there knows callers by their tokens. */
export interface MeshSource {
  readonly resources: ResourceSource & ResourceWriter
  /** What keeps a state that was read from being served: see `hindrance`. */
  readonly problems: () => FileResources['problems']
  readonly tokens: (trustDomain: string) => { verify(header: string | undefined): Promise<Caller> }
  /** Puts a root of the CA's own where it outlives this process. */
  readonly keepRoot: (own: AuthoritySource) => AuthoritySource
  /** What objects that are made anywhere in the cluster belong to, so that they go with the installation. */
  readonly owners: () => Promise<readonly OwnerReference[]>
}

export interface SourceDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly scope: Scope
  readonly version: string
}

const RBAC_PATH = '/apis/rbac.authorization.k8s.io/v1'

/** @throws when the directory or the API server's whereabouts cannot be used; the message names it. */
export function openSource(config: IstiodConfig, deps: SourceDeps): Promise<MeshSource> {
  return config.source.kind === 'directory'
    ? openDirectory(config, config.source, deps)
    : openCluster(config, config.source, deps)
}

async function openDirectory(
  { tokenAudiences: audiences, tokenIssuers: issuers }: IstiodConfig,
  { directory, jwksFile }: Extract<IstiodConfig['source'], { kind: 'directory' }>,
  { clock, logger, scope }: SourceDeps,
): Promise<MeshSource> {
  const resources = scope.use(
    await FileResources.open({ directory, clock, report: (problem) => logProblem(logger, problem) }),
  )
  return {
    resources,
    problems: () => resources.problems,
    tokens: (trustDomain) => TokenVerifier.open({ jwksFile, audiences, issuers, trustDomain, clock }),
    keepRoot: (own) => own, // the state directory does
    owners: () => Promise.resolve([]),
  }
}

async function openCluster(
  { namespace, stateDirectory, ownerRole, tokenAudiences: audiences }: IstiodConfig,
  { kubeconfig, environment }: Extract<IstiodConfig['source'], { kind: 'cluster' }>,
  { clock, random, logger, scope, version }: SourceDeps,
): Promise<MeshSource> {
  const access = kubeconfig === undefined ? inClusterAccess(environment) : await kubeconfigAccess(kubeconfig)
  const owners = async (): Promise<readonly OwnerReference[]> =>
    ownerRole === undefined ? [] : clusterRoleAsOwner(resources, ownerRole)
  const resources: ApiResources = scope.use(
    new ApiResources({
      access,
      clock,
      random,
      namespace,
      owners,
      userAgent: `ambient-istiod/${version}`,
      report: (message) => logger.warn(message, { reason: 'API_SERVER_UNAVAILABLE' }),
    }),
  )
  return {
    resources,
    problems: () => [], // what the API server holds it has judged; what we cannot use is a fault of the state
    owners,
    tokens: (trustDomain) => new TokenReviewer({ api: resources, audiences, trustDomain, clock }),
    keepRoot: (inner) =>
      new SecretSource({
        api: resources,
        namespace,
        directory: stateDirectory,
        inner,
        onFailure: (cause) =>
          logger.error(`Cannot look at the CA's Secret: ${String(cause)}`, {
            reason: 'API_SERVER_UNAVAILABLE',
          }),
      }),
  }
}

async function clusterRoleAsOwner(api: ApiResources, name: string): Promise<readonly OwnerReference[]> {
  const role = await api.read(`${RBAC_PATH}/clusterroles/${encodeURIComponent(name)}`)
  const uid = new Field(`ClusterRole ${name}`, role).get('metadata').get('uid').text()
  if (uid === undefined) return []
  return [{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid, controller: false }]
}
