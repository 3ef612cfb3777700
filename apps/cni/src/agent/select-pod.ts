import { errorText } from '@ambient/lifecycle'
import { Field, type LabelSelector, readLabelSelector, selectsLabels } from '@ambient/kube'
import { parse } from 'yaml'
import { CniError } from '../cni-error.ts'
import type { PodView } from './pod-view.ts'

/** Both must hold; an absent one holds always. */
export interface EnablementSelector {
  readonly podSelector: LabelSelector | undefined
  readonly namespaceSelector: LabelSelector | undefined
}

export interface SelectionRules {
  /** One of them must hold. */
  readonly selectors: readonly EnablementSelector[]
  readonly excludeNamespaces: ReadonlySet<string>
  /** Where ztunnel runs. */
  readonly systemNamespace: string
}

export type Selection =
  | { readonly kind: 'enrol' }
  | {
      readonly kind: 'leave'
      readonly because:
        | 'host-network'
        | 'sidecar'
        | 'excluded-namespace'
        | 'ztunnel'
        | 'gateway'
        | 'not-selected'
    }

const MODE = 'istio.io/dataplane-mode'
const AMBIENT: LabelSelector = { matchLabels: { [MODE]: 'ambient' }, matchExpressions: [] }
const NOT_NONE: LabelSelector = {
  matchLabels: {},
  matchExpressions: [{ operator: 'NotIn', key: MODE, values: ['none'] }],
}

/** The pod's own label, or the namespace's unless the pod says no. */
export const defaultSelectors: readonly EnablementSelector[] = [
  { podSelector: AMBIENT, namespaceSelector: undefined },
  { podSelector: NOT_NONE, namespaceSelector: AMBIENT },
]

/** Whether a pod belongs to the mesh, and if not, why. Pure. */
export function selectPod(
  pod: PodView,
  namespaceLabels: Readonly<Record<string, string>>,
  rules: SelectionRules,
): Selection {
  if (pod.hostNetwork) return { kind: 'leave', because: 'host-network' }
  if (pod.annotations['sidecar.istio.io/status'] !== undefined) return { kind: 'leave', because: 'sidecar' }
  if (rules.excludeNamespaces.has(pod.namespace)) return { kind: 'leave', because: 'excluded-namespace' }
  if (pod.namespace === rules.systemNamespace && pod.labels['app'] === 'ztunnel')
    return { kind: 'leave', because: 'ztunnel' }
  if (isGateway(pod) && pod.labels[MODE] !== 'ambient') return { kind: 'leave', because: 'gateway' }
  const isSelected = rules.selectors.some(
    ({ podSelector, namespaceSelector }) =>
      (podSelector === undefined || selectsLabels(podSelector, pod.labels)) &&
      (namespaceSelector === undefined || selectsLabels(namespaceSelector, namespaceLabels)),
  )
  return isSelected ? { kind: 'enrol' } : { kind: 'leave', because: 'not-selected' }
}

/** @throws {CniError} `CONFIG_INVALID` when the text is not a YAML list of selectors. */
export function parseSelectors(text: string): readonly EnablementSelector[] {
  try {
    const value: unknown = parse(text)
    const selectors = new Field('enablement selectors', value).list().map((item) => ({
      podSelector: readLabelSelector(item.get('podSelector')),
      namespaceSelector: readLabelSelector(item.get('namespaceSelector')),
    }))
    if (
      selectors.some(
        ({ podSelector, namespaceSelector }) => podSelector === undefined && namespaceSelector === undefined,
      )
    ) {
      throw new CniError(
        'CONFIG_INVALID',
        'a selector without podSelector and namespaceSelector would enrol every pod',
      )
    }
    return selectors
  } catch (cause) {
    throw new CniError('CONFIG_INVALID', `Cannot use enablement selectors: ${errorText(cause)}`, { cause })
  }
}

/** A gateway or waypoint proxies for others; captured itself, its traffic would go round in circles. */
function isGateway(pod: PodView): boolean {
  return pod.labels['gateway.networking.k8s.io/gateway-name'] !== undefined
}
