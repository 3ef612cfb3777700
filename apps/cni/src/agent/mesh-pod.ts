import type { NetworkNamespace } from '@ambient/linux'
import type { BackendName, SettingsBefore } from '../redirect/redirect-backend.ts'

/** How far a pod is on its way into the mesh or out of it. */
export type PodState =
  /** To be enrolled, and tried again: `cause` says what is in the way. */
  | { readonly kind: 'pending'; readonly cause: string }
  | { readonly kind: 'enrolled'; readonly sinceMs: number }
  /** No redirect any more; what is left serves the tunnels that are still open. */
  | { readonly kind: 'draining'; readonly sinceMs: number; readonly quietPolls: number }
  /** Said to be in the mesh, is not, and is not to be enrolled: others are to act. */
  | { readonly kind: 'broken' }
  /** Its sandbox is gone and a new one may come: only the runtime can say. */
  | { readonly kind: 'detached' }

/** What the agent holds for one pod. Replaced as a whole, never edited. */
export interface MeshPod {
  readonly uid: string
  readonly state: PodState
  /** Owned by the table that holds the pod. */
  readonly netns: NetworkNamespace | undefined
  readonly containerId: string | undefined
  /** Addresses in the host's probe set. */
  readonly ips: readonly string[]
  /** Whose rules may be in its netns; the first is in force. More than one while it is moved from one to another. */
  readonly backends: readonly BackendName[]
  /** False from the moment in which a rule was found missing until all have been written again. */
  readonly areRulesWhole: boolean
  readonly kept: KeptConnections
  readonly before: SettingsBefore
}

/** Connections that were open when the pod was enrolled, and stay outside the mesh until they close. */
export interface KeptConnections {
  readonly count: number
  /** The first hundred of them. */
  readonly names: readonly string[]
}

export const noKeptConnections: KeptConnections = { count: 0, names: [] }

/** All pods by UID. Owns their namespaces. */
export class MeshPods implements Disposable {
  readonly #pods = new Map<string, MeshPod>()

  get(uid: string): MeshPod | undefined {
    return this.#pods.get(uid)
  }

  all(): readonly MeshPod[] {
    return [...this.#pods.values()]
  }

  /** Replaces what is held for the pod; another namespace than before means the old one is given up. */
  put(pod: MeshPod): MeshPod {
    const old = this.#pods.get(pod.uid)
    this.#pods.set(pod.uid, pod)
    if (old?.netns !== pod.netns) old?.netns?.[Symbol.dispose]()
    return pod
  }

  delete(uid: string): void {
    this.#pods.get(uid)?.netns?.[Symbol.dispose]()
    this.#pods.delete(uid)
  }

  [Symbol.dispose](): void {
    for (const uid of [...this.#pods.keys()]) this.delete(uid)
  }
}
