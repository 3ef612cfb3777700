import { closeDescriptor } from '@ambient/linux'
import type { ZdsPodInfo } from './zds-request.ts'

/** A pod of this node that belongs to the mesh. */
export interface ZdsPod {
  readonly uid: string
  readonly info: ZdsPodInfo
  /** Descriptor of its network namespace; undefined when the agent could not find it and ztunnel may still have it. */
  readonly netns: number | undefined
}

/** A pod whose network namespace is at hand: only such a one can be added once the snapshot is out. */
export interface ZdsAddition extends ZdsPod {
  readonly netns: number
}

/** The pods a new connection is told of. Owns their descriptors. */
export class PodTable implements Disposable {
  readonly #pods = new Map<string, ZdsPod>()

  get size(): number {
    return this.#pods.size
  }

  get(uid: string): ZdsPod | undefined {
    return this.#pods.get(uid)
  }

  /** The first pod, in order of addition, that is not in `named`. */
  firstBeyond(named: ReadonlySet<string>): ZdsPod | undefined {
    for (const [uid, pod] of this.#pods) if (!named.has(uid)) return pod
    return undefined
  }

  put(pod: ZdsPod): void {
    const old = this.#pods.get(pod.uid)
    this.#pods.set(pod.uid, pod)
    if (old !== undefined && old.netns !== pod.netns) release(old)
  }

  delete(uid: string): void {
    const pod = this.#pods.get(uid)
    this.#pods.delete(uid)
    if (pod !== undefined) release(pod)
  }

  [Symbol.dispose](): void {
    for (const pod of this.#pods.values()) release(pod)
    this.#pods.clear()
  }
}

function release(pod: ZdsPod): void {
  if (pod.netns !== undefined) closeDescriptor(pod.netns)
}
