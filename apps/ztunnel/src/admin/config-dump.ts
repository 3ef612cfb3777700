import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { WorkerDescription } from '../worker/messages.ts'
import type { PodRegistry } from '../pods/pod-registry.ts'
import type { CertificateDump } from '../svid/dump-certificates.ts'

export interface ConfigDumpParts {
  readonly snapshot: MeshSnapshot
  readonly registry: PodRegistry
  readonly certificates: readonly CertificateDump[]
  readonly workers: readonly WorkerDescription[]
  readonly config: unknown
  readonly version: unknown
}

/** The state of this node in the keys that `istioctl ztunnel-config` reads. Never holds a private key. */
export function configDump({
  snapshot,
  registry,
  certificates,
  workers,
  config,
  version,
}: ConfigDumpParts): object {
  const workloadState: Record<string, object> = {}
  for (const [uid, { info, state }] of registry.pods) {
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
  return { ...snapshot.dump(), version, config, certificates, workloadState }
}
