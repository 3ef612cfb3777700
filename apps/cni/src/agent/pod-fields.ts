import type { PodView } from './pod-view.ts'

/** A pod as ztunnel is told of it. */
export function podInfo({ name, namespace, serviceAccount }: PodView): {
  name: string
  namespace: string
  serviceAccount: string
} {
  return { name, namespace, serviceAccount }
}

/** A pod as the log names it. */
export function podFields({ namespace, name, uid }: PodView): { pod: string; uid: string } {
  return { pod: `${namespace}/${name}`, uid }
}
