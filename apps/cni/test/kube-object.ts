import type { KubeObject } from '@ambient/kube'

/** An object as the API server would give it; its uid is its name where nothing else is said. */
export function kubeObject(
  kind: 'Pod' | 'Namespace' | 'ConfigMap',
  metadata: {
    readonly name: string
    readonly uid?: string
    readonly labels: Readonly<Record<string, string>>
  },
  rest: object,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind,
    metadata: {
      uid: metadata.name,
      annotations: {},
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ownerReferences: [],
      ...metadata,
    },
    ...rest,
  }
}
