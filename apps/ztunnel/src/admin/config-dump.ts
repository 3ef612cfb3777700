import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { PodInfo, WorkerDescription } from '../worker/messages.ts'
import type { RecentRefusal } from '../control/recent-refusals.ts'
import type { CertificateDump } from '../svid/dump-certificates.ts'

export interface ConfigDumpParts {
  readonly snapshot: MeshSnapshot
  readonly pods: Iterable<readonly [string, { readonly info: PodInfo; readonly state: 'pending' | 'up' }]>
  readonly certificates: readonly CertificateDump[]
  readonly workers: readonly WorkerDescription[]
  /** The mesh that was written down, as it was written. */
  readonly localMesh: Readonly<Record<string, unknown>> | undefined
  readonly refusals: readonly RecentRefusal[]
  readonly config: unknown
  readonly version: unknown
}

/** The state of this node in the keys that `istioctl ztunnel-config` reads. Never holds a private key. */
export function configDump({
  snapshot,
  pods,
  certificates,
  workers,
  localMesh,
  refusals,
  config,
  version,
}: ConfigDumpParts): object {
  const workloadState: Record<string, object> = {}
  for (const [uid, { info, state }] of pods) {
    const live = workers.flatMap((worker) => worker.pods[uid] ?? [])
    workloadState[uid] = {
      state: state === 'up' ? 'Up' : 'Pending',
      connections: {
        inbound: live.filter((c) => c.direction === 'inbound'),
        outbound: live.filter((c) => c.direction === 'outbound'),
      },
      info: { name: info.name, namespace: info.namespace, serviceAccount: info.serviceAccount },
    }
  }
  const staticConfig = { workloads: [], services: [], policies: [], ...localMesh }
  return { ...snapshot.dump(), staticConfig, version, config, certificates, workloadState, refusals }
}
