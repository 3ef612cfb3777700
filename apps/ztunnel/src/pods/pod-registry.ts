import type { PodInfo } from '../worker/messages.ts'

export interface NetnsId {
  readonly dev: number
  readonly inode: number
}

export type PodState = 'up' | 'pending'

export interface PodRegistryDeps {
  /** Makes the pod's listeners in every worker; the text of the first failure, or undefined. Workers keep their own duplicate of `netns`. */
  readonly start: (uid: string, info: PodInfo, netns: number) => Promise<string | undefined>
  /** Drops listeners and connections of the pod at once. */
  readonly stop: (uid: string) => Promise<void>
  /** Undefined for a descriptor that is no network namespace. */
  readonly netnsId: (netns: number) => NetnsId | undefined
  readonly closeDescriptor: (netns: number) => void
  readonly onChange: () => void
}

interface Pod {
  readonly info: PodInfo
  readonly netns: number
  readonly id: NetnsId
  readonly state: PodState
  /** Why the last start failed; undefined while up. */
  readonly error: string | undefined
}

export class ZdsProtocolError extends Error {}

/**
 * The pods this node serves, as the CNI agent names them. Owns each pod's namespace descriptor from `add` until the
 * pod is gone.
 *
 * @see ztunnel `src/inpod/statemanager.rs`
 */
export class PodRegistry {
  readonly #deps: PodRegistryDeps
  readonly #pods = new Map<string, Pod>()
  readonly #named = new Set<string>()
  #snapshotSeen = false
  /** Ends when what was begun last has ended: the agent's requests and retries never overlap. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly counts = { started: 0, stopped: 0 }

  constructor(deps: PodRegistryDeps) {
    this.#deps = deps
  }

  /** True once this connection's snapshot has arrived and no pod waits for its listeners. */
  get isReady(): boolean {
    return this.#snapshotSeen && this.pending.length === 0
  }

  get pending(): readonly string[] {
    return [...this.#pods].filter(([, pod]) => pod.state === 'pending').map(([uid]) => uid)
  }

  get pods(): ReadonlyMap<string, { readonly info: PodInfo; readonly state: PodState }> {
    return this.#pods
  }

  /** A new connection to the agent: whoever it does not name until its snapshot ends is gone. Running pods go on meanwhile. */
  connected(): void {
    this.#named.clear()
    this.#snapshotSeen = false
    this.#deps.onChange()
  }

  disconnected(): void {
    this.#snapshotSeen = false
    this.#deps.onChange()
  }

  /** Takes ownership of `netns`. @returns The text to refuse with, or undefined when the pod's listeners are bound. */
  add(uid: string, info: PodInfo, netns: number): Promise<string | undefined> {
    return this.#inTurn(() => this.#add(uid, info, netns))
  }

  async #add(uid: string, info: PodInfo, netns: number): Promise<string | undefined> {
    const id = this.#deps.netnsId(netns)
    if (id === undefined) {
      this.#deps.closeDescriptor(netns)
      return 'failure to start proxy : the descriptor is no network namespace'
    }
    this.#named.add(uid)
    const known = this.#pods.get(uid)
    if (known !== undefined && known.state === 'up' && sameNetns(known.id, id)) {
      this.#deps.closeDescriptor(netns)
      return undefined
    }
    if (known !== undefined) await this.#drop(uid)
    return this.#start(uid, { info, netns, id })
  }

  keep(uid: string): void {
    if (this.#snapshotSeen) throw new ZdsProtocolError(`Keep of ${uid} after the snapshot`)
    this.#named.add(uid)
  }

  remove(uid: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#named.delete(uid)
      if (this.#snapshotSeen || this.#pods.get(uid)?.state === 'pending') await this.#drop(uid)
      this.#deps.onChange()
    })
  }

  snapshotSent(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#snapshotSeen) throw new ZdsProtocolError('A second snapshot on one connection')
      for (const uid of [...this.#pods.keys()]) if (!this.#named.has(uid)) await this.#drop(uid)
      this.#snapshotSeen = true
      this.#deps.onChange()
    })
  }

  /** Tries every pending pod again; called every 5 s while there is one. */
  retryPending(): Promise<void> {
    return this.#inTurn(async () => {
      for (const [uid, pod] of this.#pods) if (pod.state === 'pending') await this.#start(uid, pod)
    })
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(run)
    this.#turn = done.catch(() => {})
    return done
  }

  async #start(uid: string, pod: Pick<Pod, 'info' | 'netns' | 'id'>): Promise<string | undefined> {
    const error = await this.#deps.start(uid, pod.info, pod.netns)
    this.#pods.set(uid, { ...pod, state: error === undefined ? 'up' : 'pending', error })
    if (error === undefined) this.counts.started++
    this.#deps.onChange()
    return error === undefined ? undefined : `failure to start proxy : ${error}`
  }

  async #drop(uid: string): Promise<void> {
    const pod = this.#pods.get(uid)
    if (pod === undefined) return
    this.#pods.delete(uid)
    await this.#deps.stop(uid)
    this.#deps.closeDescriptor(pod.netns)
    if (pod.state === 'up') this.counts.stopped++
    this.#deps.onChange()
  }
}

function sameNetns(a: NetnsId, b: NetnsId): boolean {
  return a.dev === b.dev && a.inode === b.inode
}
