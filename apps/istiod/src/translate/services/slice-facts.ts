import { type KubeObject, readEndpointSlice, type SlicePort } from '@ambient/kube'
import { canonicalIp } from '@ambient/model'
import { invalidObject } from '../invalid-object.ts'

export interface SlicePodRef {
  readonly name: string
  readonly uid: string | undefined
}

export interface SliceFacts {
  readonly namespace: string
  readonly name: string
  readonly serviceName: string
  /** TCP only. */
  readonly ports: readonly SlicePort[]
  /** Endpoints that are pods: the pod itself becomes the workload. */
  readonly pods: readonly SlicePodRef[]
  /** Endpoints that are not pods. */
  readonly addresses: readonly { readonly ip: string; readonly isReady: boolean }[]
}

/** @returns undefined for a slice that belongs to no Service or holds host names. @throws {KubeError} `OBJECT_INVALID` */
export function sliceFacts(slice: KubeObject): SliceFacts | undefined {
  const { addressType, serviceName, endpoints, ports } = readEndpointSlice(slice)
  if (serviceName === undefined || addressType === 'FQDN') return undefined
  const namespace = slice.metadata.namespace ?? ''
  const isPod = (endpoint: (typeof endpoints)[number]): boolean => endpoint.targetRef?.kind === 'Pod'
  return {
    namespace,
    name: slice.metadata.name,
    serviceName,
    ports: ports.filter((port) => port.protocol === 'TCP'),
    pods: endpoints.flatMap(({ targetRef }) =>
      targetRef?.kind === 'Pod' && (targetRef.namespace ?? namespace) === namespace
        ? [{ name: targetRef.name, uid: targetRef.uid }]
        : [],
    ),
    addresses: endpoints.flatMap((endpoint) => {
      const [first] = endpoint.addresses // the API says that all addresses of an endpoint are the same
      if (isPod(endpoint) || first === undefined) return []
      const ip =
        canonicalIp(first) ?? invalidObject(slice, `endpoints has "${first}", which is no IP address`)
      return [{ ip, isReady: endpoint.ready ?? true }]
    }),
  }
}
