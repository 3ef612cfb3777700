import type { ResourceWriter } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import type { PodView } from './pod-view.ts'

/** The reasons of events that this agent writes about pods. */
export type PodEventReason = 'NotInMesh' | 'MeshRepaired'

/** What the agent may do to a pod as a whole, in the cluster's own terms. */
export interface PodActions {
  /** One event a pod and reason: the next one replaces it. */
  event(pod: PodView, reason: PodEventReason, message: string): Promise<void>
  /** Only that incarnation. */
  delete(pod: PodView): Promise<void>
  label(pod: PodView, key: string, value: string): Promise<void>
}

export function createPodActions(writer: ResourceWriter, clock: Clock, owner: string): PodActions {
  return {
    event: ({ ref, name, namespace }, reason, message) => {
      const time = new Date(clock.nowMs()).toISOString()
      return writer.apply(
        {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: `${name}.${ref.uid}.${reason.toLowerCase()}`.slice(0, 253), namespace },
          involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid: ref.uid },
          type: reason === 'NotInMesh' ? 'Warning' : 'Normal',
          reason,
          message,
          firstTimestamp: time,
          lastTimestamp: time,
          count: 1,
          source: { component: 'istio-cni-node' },
        },
        { owner },
      )
    },
    delete: ({ ref }) => writer.requestDeletion(ref, { owner }),
    label: ({ ref }, key, value) => writer.applyLabels(ref, { [key]: value }, { owner }),
  }
}
