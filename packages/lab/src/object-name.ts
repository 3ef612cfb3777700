import { resourceKinds } from '@ambient/kube'
import type { KindName, ObjectRef } from '@ambient/kube'
import { LabError } from './lab-error.ts'

/**
 * What `namespace/shop` or `pod/shop/web` names, in any case and with the kind's singular or plural.
 *
 * @throws {LabError} `NOT_FOUND` for anything else
 */
export function parseObjectName(text: string): ObjectRef {
  const [kindText = '', ...names] = text.split('/')
  const kind = findKind(kindText.toLowerCase())
  const [first, second] = names
  if (kind !== undefined && first !== undefined && names.length === 1 && !resourceKinds[kind].namespaced)
    return { kind, name: first }
  if (
    kind !== undefined &&
    first !== undefined &&
    second !== undefined &&
    names.length === 2 &&
    resourceKinds[kind].namespaced
  ) {
    return { kind, namespace: first, name: second }
  }
  throw new LabError('NOT_FOUND', `"${text}" names no object: write namespace/NAME or KIND/NAMESPACE/NAME`)
}

function findKind(text: string): KindName | undefined {
  const names: readonly KindName[] = [
    'Pod',
    'Service',
    'ServiceAccount',
    'Namespace',
    'Node',
    'ConfigMap',
    'DaemonSet',
    'EndpointSlice',
    'AuthorizationPolicy',
    'PeerAuthentication',
    'ServiceEntry',
    'WorkloadEntry',
    'Gateway',
    'GatewayClass',
  ]
  return names.find((name) => name.toLowerCase() === text || resourceKinds[name].plural === text)
}
