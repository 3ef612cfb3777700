import type { ResourceSource } from '@ambient/kube'
import { objectKey } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { messageOf } from '../cni-error.ts'
import { type PodView, readPodView } from './pod-view.ts'
import { type SelectionRules, selectPod } from './select-pod.ts'

/** While it is there, no pod belongs to the mesh: what an uninstallation does first. */
export const END_CONFIG_MAP = 'istio-cni-unenrol'

export interface ClusterViewOptions {
  readonly source: ResourceSource
  readonly clock: Clock
  /** How long a sign of an uninstallation that went away still counts. */
  readonly endSignMs: number
  readonly nodeName: string
  /** Where the agent runs, and where somebody says that the mesh is to go. */
  readonly namespace: string
  /** Told after each change which pods to look at again. */
  readonly onChange: (uids: readonly string[]) => void
  readonly onProblem: (message: string) => void
}

/** The pods of this node and the labels of all namespaces, kept current. */
export class ClusterView {
  readonly #options: ClusterViewOptions
  readonly #pods = new Map<string, PodView>()
  readonly #uidByName = new Map<string, string>()
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>()
  readonly #waiters = new Set<() => void>()
  #unsynced = 3
  #isEnding = false
  #endedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: ClusterViewOptions) {
    this.#options = options
  }

  get isSynced(): boolean {
    return this.#unsynced === 0
  }

  /** Whether somebody says that the mesh is to go, or did a moment ago: the sign goes with the DaemonSet, before its pods do. */
  get wasEnding(): boolean {
    const { clock, endSignMs } = this.#options
    return this.#isEnding || clock.monotonicMs() - this.#endedAtMs < endSignMs
  }

  pod(uid: string): PodView | undefined {
    return this.#pods.get(uid)
  }

  podByName(namespace: string, name: string): PodView | undefined {
    return this.#pods.get(this.#uidByName.get(objectKey({ namespace, name })) ?? '')
  }

  pods(): readonly PodView[] {
    return [...this.#pods.values()]
  }

  /** Whether a pod is to be in the mesh: never once the mesh is to go. */
  wants(pod: PodView, rules: SelectionRules): boolean {
    return (
      !this.wasEnding && selectPod(pod, this.#namespaces.get(pod.namespace) ?? {}, rules).kind === 'enrol'
    )
  }

  /** Resolves with the first answer of `probe` that is not undefined, asked now and after each change; undefined when `signal` aborts. */
  async wait<T>(probe: () => T | undefined, signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      const answer = probe()
      if (answer !== undefined || signal.aborted) return answer
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiters.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  /** Something else that a waiter asks about has changed. */
  notify(): void {
    for (const wake of [...this.#waiters]) wake()
  }

  /** Follows the source until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followPods(signal), this.#followNamespaces(signal), this.#followEnd(signal)])
  }

  async #followPods(signal: AbortSignal): Promise<void> {
    const fieldSelector = { 'spec.nodeName': this.#options.nodeName }
    for await (const event of this.#options.source.watch('Pod', signal, { fieldSelector })) {
      if (event.type === 'synced') this.#synced()
      else if (event.type === 'deleted') this.#removePod(event.object.metadata.uid)
      else this.#putPod(() => readPodView(event.object))
    }
  }

  async #followNamespaces(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.source.watch('Namespace', signal)) {
      if (event.type === 'synced') {
        this.#synced()
        continue
      }
      const { name, labels } = event.object.metadata
      if (event.type === 'deleted') this.#namespaces.delete(name)
      else this.#namespaces.set(name, labels)
      this.#changed(
        this.pods()
          .filter((pod) => pod.namespace === name)
          .map((pod) => pod.uid),
      )
    }
  }

  async #followEnd(signal: AbortSignal): Promise<void> {
    const { source, namespace } = this.#options
    const options = { namespace, fieldSelector: { 'metadata.name': END_CONFIG_MAP } }
    for await (const event of source.watch('ConfigMap', signal, options)) {
      if (event.type === 'synced') {
        this.#synced()
        continue
      }
      this.#isEnding = event.type !== 'deleted'
      if (!this.#isEnding) this.#lookAgainLater(signal)
      this.#changed([...this.#pods.keys()])
    }
  }

  /** Whoever thought better of an uninstallation has the pods back in a while. */
  #lookAgainLater(signal: AbortSignal): void {
    const { clock, endSignMs } = this.#options
    this.#endedAtMs = clock.monotonicMs()
    void clock.sleep(endSignMs, signal).then(
      () => this.#changed([...this.#pods.keys()]),
      () => {}, // rejects only when it is to end
    )
  }

  #putPod(read: () => PodView): void {
    try {
      const pod = read()
      this.#pods.set(pod.uid, pod)
      this.#uidByName.set(objectKey(pod), pod.uid)
      this.#changed([pod.uid])
    } catch (cause) {
      this.#options.onProblem(messageOf(cause)) // its last good state stays in force
    }
  }

  #removePod(uid: string): void {
    const pod = this.#pods.get(uid)
    if (pod === undefined) return
    this.#pods.delete(uid)
    if (this.#uidByName.get(objectKey(pod)) === uid) this.#uidByName.delete(objectKey(pod))
    this.#changed([uid])
  }

  #synced(): void {
    this.#unsynced--
    this.#changed([])
  }

  #changed(uids: readonly string[]): void {
    this.#options.onChange(uids)
    this.notify()
  }
}
