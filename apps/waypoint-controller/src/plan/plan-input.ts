import type { KubeObject } from '@ambient/kube'

/** What one installation of the controller gives to each waypoint. */
export interface WaypointDefaults {
  /** Where the control plane runs. */
  readonly systemNamespace: string
  readonly revision: string
  readonly clusterId: string
  readonly network: string
  readonly trustDomain: string
  readonly domainSuffix: string
  /** `host:port` of the CA and the control plane's xDS. */
  readonly discoveryAddress: string
  readonly image: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
}

/** All that the plan for one Gateway depends on. */
export interface PlanInput {
  readonly gateway: KubeObject
  /** Undefined while the class is missing: nobody is responsible. */
  readonly controllerName: string | undefined
  readonly namespaceLabels: Readonly<Record<string, string>>
  /** The oldest ConfigMap of the system namespace that is labelled with the class. */
  readonly classDefaults: KubeObject | undefined
  /** The ConfigMap that the Gateway's own `parametersRef` names. */
  readonly parameters: KubeObject | undefined
  /** Objects of the kinds that are written, in the Gateway's namespace: named as one of them, or owned by the Gateway. */
  readonly observed: readonly KubeObject[]
  readonly defaults: WaypointDefaults
}
