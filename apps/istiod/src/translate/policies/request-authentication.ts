import { fieldsOf, type KubeObject } from '@ambient/kube'
import { readTargetRefs, type TargetRef } from './target-refs.ts'

/** What istiod looks at of a RequestAuthentication: waypoints enforce the rest. */
export interface RequestAuthentication {
  /** Empty when it is for workloads, of which node proxies take none. */
  readonly targets: readonly TargetRef[]
}

/** @throws {KubeError} `OBJECT_INVALID` for anything a validating API server would refuse. */
export function readRequestAuthentication(object: KubeObject): RequestAuthentication {
  const spec = fieldsOf(object).get('spec')
  spec.refuseOthers(['selector', 'targetRef', 'targetRefs', 'jwtRules'])
  spec.get('selector').refuseOthers(['matchLabels'])
  for (const rule of spec.get('jwtRules').list()) {
    const names = [rule.get('issuer').text(), rule.get('jwksUri').text()]
    if (names.every((text) => (text ?? '') === '')) throw rule.invalid('must have issuer or jwksUri')
  }
  return { targets: readTargetRefs(spec) }
}

/** What stands in for one that cannot be read: attached where it says, so that nothing gets past it. */
export function closedRequestAuthentication(object: KubeObject): RequestAuthentication {
  try {
    return { targets: readTargetRefs(fieldsOf(object).get('spec')) }
  } catch {
    return { targets: [] }
  }
}
