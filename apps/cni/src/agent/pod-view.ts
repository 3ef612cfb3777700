import { fieldsOf, type KubeObject, type ObjectRef, readPod, refOf } from '@ambient/kube'
import { canonicalIp } from '@ambient/model'

/** What the agent looks at in a Pod, as plain data. */
export interface PodView {
  readonly ref: ObjectRef & { readonly uid: string }
  readonly uid: string
  /** The UID in the pod's cgroup: that of a static pod is the hash of its file, not its mirror's. */
  readonly cgroupUid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly hostNetwork: boolean
  /** Succeeded or Failed: it will never run again, and its address may be another's by now. */
  readonly isFinished: boolean
  /** Canonical; empty until the kubelet has reported them. */
  readonly ips: readonly string[]
}

const MIRROR = 'kubernetes.io/config.mirror'

/** @throws {KubeError} `OBJECT_INVALID` naming pod and field. */
export function readPodView(object: KubeObject): PodView {
  const ref = refOf(object)
  const pod = readPod(object)
  const { annotations, labels } = object.metadata
  const hash = annotations['kubernetes.io/config.hash'] ?? annotations[MIRROR]
  return {
    ref,
    uid: ref.uid,
    cgroupUid: annotations[MIRROR] === undefined ? ref.uid : (hash ?? ref.uid),
    name: ref.name,
    namespace: ref.namespace ?? fieldsOf(object).get('metadata').get('namespace').requiredText(),
    serviceAccount: pod.serviceAccount,
    labels,
    annotations,
    hostNetwork: pod.hostNetwork,
    isFinished: pod.phase === 'Succeeded' || pod.phase === 'Failed',
    ips: pod.podIps.flatMap((ip) => canonicalIp(ip) ?? []),
  }
}
