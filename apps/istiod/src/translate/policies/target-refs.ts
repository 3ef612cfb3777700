import type { Field } from '@ambient/kube'

/** What a policy for waypoints is attached to; always in the policy's own namespace, a GatewayClass aside. */
export interface TargetRef {
  readonly kind: 'Service' | 'ServiceEntry' | 'Gateway' | 'GatewayClass'
  readonly name: string
}

const MAX_TARGETS = 16

const GROUPS: Readonly<Record<TargetRef['kind'], readonly string[]>> = {
  Service: ['', 'core'],
  ServiceEntry: ['networking.istio.io'],
  Gateway: ['gateway.networking.k8s.io'],
  GatewayClass: ['gateway.networking.k8s.io'],
}

/**
 * The targets of a policy; empty when it has none and is meant for workloads.
 *
 * @param spec Of an AuthorizationPolicy or a RequestAuthentication.
 * @throws {KubeError} `OBJECT_INVALID`
 */
export function readTargetRefs(spec: Field): readonly TargetRef[] {
  const single = spec.get('targetRef')
  const list = spec.get('targetRefs').list()
  if (list.length > MAX_TARGETS)
    throw spec.get('targetRefs').invalid(`must not have more than ${MAX_TARGETS}`)
  if (!single.isAbsent && list.length > 0) throw single.invalid('must not be there beside targetRefs')
  const all = single.isAbsent ? list : [single]
  if (all.length > 0 && !spec.get('selector').isAbsent)
    throw spec.get('selector').invalid('must not be there beside targetRefs')
  return all.map(readTargetRef)
}

function readTargetRef(ref: Field): TargetRef {
  const kind = ref.get('kind').requiredText()
  const group = ref.get('group').text() ?? ''
  if (!isTargetKind(kind) || !GROUPS[kind].includes(group)) {
    throw ref.invalid(
      'must be a Service, or a ServiceEntry, Gateway or GatewayClass with the group it belongs to',
    )
  }
  if ((ref.get('namespace').text() ?? '') !== '')
    throw ref.get('namespace').invalid('must not be set: a target is in the policy’s namespace')
  return { kind, name: ref.get('name').requiredText() }
}

function isTargetKind(text: string): text is TargetRef['kind'] {
  return Object.hasOwn(GROUPS, text)
}
