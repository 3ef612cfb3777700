import { type KubeObject, type OwnerReference, type PodPhase, readPod } from '@ambient/kube'
import { canonicalIp } from '@ambient/model'
import { invalidObject } from '../invalid-object.ts'
import { REDIRECTION } from '../tunnel.ts'

/** All that istiod looks at of a pod; a change to anything else goes no further. */
export interface PodFacts {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  /** Empty until the pod is scheduled. */
  readonly node: string
  readonly phase: PodPhase
  /** Canonical; the main one first. */
  readonly ips: readonly string[]
  readonly isReady: boolean
  readonly isTerminating: boolean
  readonly isHostNetwork: boolean
  /** The CNI agent says that its connections are redirected. */
  readonly isRedirected: boolean
  readonly hasGeneratedName: boolean
  readonly controller: OwnerReference | undefined
  /** TCP container ports by name. */
  readonly namedPorts: Readonly<Record<string, number>>
}

/** @throws {KubeError} `OBJECT_INVALID` */
export function podFacts(pod: KubeObject): PodFacts {
  const { metadata } = pod
  const read = readPod(pod)
  const ports = read.containers.flatMap((container) => container.ports)
  const named = ports.flatMap(({ name, port, protocol }): [string, number][] =>
    name === undefined || protocol !== 'TCP' ? [] : [[name, port]],
  )
  return {
    uid: metadata.uid,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    labels: metadata.labels,
    serviceAccount: read.serviceAccount,
    node: read.nodeName ?? '',
    phase: read.phase,
    ips: read.podIps.map(
      (ip) => canonicalIp(ip) ?? invalidObject(pod, `status.podIPs has "${ip}", which is no IP address`),
    ),
    isReady: read.isReady,
    isTerminating: metadata.deletionTimestamp !== undefined,
    isHostNetwork: read.hostNetwork,
    isRedirected: metadata.annotations[REDIRECTION] === 'enabled',
    hasGeneratedName: metadata.generateName !== undefined && metadata.generateName !== '',
    controller: metadata.ownerReferences.find((owner) => owner.controller),
    namedPorts: Object.fromEntries(named.toReversed()), // of two ports of one name the first counts
  }
}

/** A pod that is over or has no address yet is no workload; a pending one with an address is. */
export function isOver({ phase, ips }: PodFacts): boolean {
  return phase === 'Failed' || phase === 'Succeeded' || ips.length === 0
}
