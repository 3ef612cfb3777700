import {
  type Field,
  fieldsOf,
  type KindName,
  type KubeObject,
  objectKey,
  type ObjectRef,
} from '@ambient/kube'
import { DEFAULTS_LABEL } from './plan/gateway-names.ts'
import { controllerOf } from './plan/plan-class.ts'
import type { PlanInput, WaypointDefaults } from './plan/plan-input.ts'
import { className } from './plan/waypoint-objects.ts'

/** The kinds that are written for a Gateway, in the order in which they are written. */
export const writtenKinds: readonly KindName[] = [
  'ServiceAccount',
  'Deployment',
  'Service',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
]

/** All that plans are made from, as it was last seen. */
export class WaypointWorld {
  readonly #tables = new Map<KindName, Map<string, KubeObject>>()

  set(object: KubeObject): void {
    this.#table(object.kind).set(objectKey(object.metadata), object)
  }

  delete({ kind, metadata }: KubeObject): void {
    this.#table(kind).delete(objectKey(metadata))
  }

  get(kind: KindName, key: string): KubeObject | undefined {
    return this.#tables.get(kind)?.get(key)
  }

  all(kind: KindName): readonly KubeObject[] {
    return [...this.#table(kind).values()]
  }

  /** What the plan for the Gateway `namespace/name` is made from; undefined when there is no such Gateway. */
  inputFor(key: string, defaults: WaypointDefaults): PlanInput | undefined {
    const gateway = this.get('Gateway', key)
    if (gateway === undefined) return undefined
    const { namespace = 'default' } = gateway.metadata
    const name = className(gateway)
    const ofClass = this.get('GatewayClass', name)
    const parameters = parametersRef(gateway)
    return {
      gateway,
      controllerName: ofClass === undefined ? undefined : controllerOf(ofClass),
      namespaceLabels: this.get('Namespace', namespace)?.metadata.labels ?? {},
      classDefaults: this.#classDefaults(name, defaults.systemNamespace),
      parameters: parameters === undefined ? undefined : this.get('ConfigMap', objectKey(parameters)),
      observed: writtenKinds.flatMap((kind) =>
        this.all(kind).filter(({ metadata }) => metadata.namespace === namespace),
      ),
      defaults,
    }
  }

  #classDefaults(name: string, namespace: string): KubeObject | undefined {
    return this.all('ConfigMap')
      .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels[DEFAULTS_LABEL] === name)
      .toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]
  }

  #table(kind: KindName): Map<string, KubeObject> {
    const table = this.#tables.get(kind) ?? new Map<string, KubeObject>()
    this.#tables.set(kind, table)
    return table
  }
}

/** Oldest first, then by name. */
function age({ metadata }: KubeObject): string {
  return `${metadata.creationTimestamp} ${metadata.name}`
}

/** The ConfigMap that a Gateway's `parametersRef` names, if it names one. */
export function parametersRef(gateway: KubeObject): (ObjectRef & { namespace: string }) | undefined {
  const name = nameOf(fieldsOf(gateway).get('spec'))
  return name === undefined
    ? undefined
    : { kind: 'ConfigMap', namespace: gateway.metadata.namespace ?? 'default', name }
}

function nameOf(spec: Field): string | undefined {
  try {
    return spec.get('infrastructure').get('parametersRef').get('name').text()
  } catch {
    return undefined
  }
}
