import { FileResources } from '@ambient/kube'
import type { Clock, Scope } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { IstiodConfig } from '../config.ts'
import { logProblem } from '../log-problem.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { feedMeshState } from './feed-mesh-state.ts'

export interface RemoteFeedDeps {
  readonly config: Pick<IstiodConfig, 'remoteClusters' | 'namespace'>
  readonly state: MeshState
  readonly clock: Clock
  readonly logger: Logger
  readonly scope: Scope
  /** Told when everything of a cluster has been read. */
  readonly onClusterSynced: (id: string) => void
}

/**
 * Keeps the state equal to the mesh's other clusters too, until the scope ends. Nobody waits for them: what they add
 * comes when it is there, each cluster's whole at once.
 *
 * @throws when the directory of one cannot be used; the message names it.
 */
export async function feedRemoteClusters({
  config,
  state,
  clock,
  logger,
  scope,
  onClusterSynced,
}: RemoteFeedDeps): Promise<void> {
  const feed = async ({ id, directory }: (typeof config.remoteClusters)[number]): Promise<void> => {
    const remote = logger.child(id)
    const source = scope.use(
      await FileResources.open({ directory, clock, report: (problem) => logProblem(remote, problem) }),
    )
    await feedMeshState(
      {
        source,
        state,
        cluster: id,
        namespace: config.namespace,
        clock,
        onEvent: () => {},
        onCommitted: () => {},
        onSynced: () => {
          remote.info('synced', { cluster: id })
          onClusterSynced(id)
        },
      },
      scope.signal,
    )
  }
  await Promise.all(config.remoteClusters.map(feed))
}
