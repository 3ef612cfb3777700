import { fieldsOf, type KubeObject, type Manifest } from '@ambient/kube'
import { MESH_CONTROLLER, WAYPOINT_CLASS } from './gateway-names.ts'
import { type Condition, observedConditions, timing, type WrittenCondition } from './waypoint-status.ts'

/** The class that is there in every cluster. It is made when it is missing and then left to its users. */
export const WAYPOINT_GATEWAY_CLASS: Manifest = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: WAYPOINT_CLASS },
  spec: {
    controllerName: MESH_CONTROLLER,
    description: 'Waypoints of an ambient mesh: a proxy for layer 7, deployed for each Gateway',
  },
}

const CONDITIONS: readonly Condition[] = [
  {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'Gateways of this class become waypoints',
  },
  {
    type: 'SupportedVersion',
    status: 'True',
    reason: 'SupportedVersion',
    message: 'this version of the Gateway API is supported',
  },
]

/** The controller that a class names; undefined when it cannot be read. */
export function controllerOf(gatewayClass: KubeObject): string | undefined {
  try {
    return fieldsOf(gatewayClass).get('spec').get('controllerName').text()
  } catch {
    return undefined
  }
}

/** The conditions to write to a class of this controller, or nothing when they are there already. Pure. */
export function classConditionsToWrite(
  gatewayClass: KubeObject,
  nowMs: number,
): readonly WrittenCondition[] | undefined {
  if (controllerOf(gatewayClass) !== MESH_CONTROLLER) return undefined
  const observed = observedConditions(fieldsOf(gatewayClass).get('status'))
  const wanted = timing(gatewayClass.metadata.generation, nowMs)(CONDITIONS, observed)
  const isThere = wanted.every((each) =>
    observed.some((other) => JSON.stringify(other) === JSON.stringify(each)),
  )
  return isThere ? undefined : wanted
}
