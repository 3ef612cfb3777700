import type { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, seqpacketListen } from '@ambient/linux'
import { unlinkSync } from 'node:fs'
import { PodTable, type ZdsAddition, type ZdsPod } from './pod-table.ts'
import { SeqpacketAcceptor } from './seqpacket-acceptor.ts'
import { type OnResult, ZdsConnection, type ZdsResult } from './zds-connection.ts'
import { type ZdsLimits, zdsLimits } from './zds-limits.ts'

export interface ZdsServerOptions {
  /** Where to listen; a socket file nobody answers at is taken over. */
  readonly path: string
  readonly limits?: Partial<ZdsLimits>
  /** How many ztunnels are connected now, after each change; the reason when one has gone. */
  onConnections(count: number, lost: string | undefined): void
  /** A ztunnel could not take a pod of its snapshot; it tries again by itself. */
  onRefused(uid: string, error: string): void
}

/**
 * The agent's end of ZDS. Keeps the pods of the mesh on this node, tells each ztunnel that connects of all of them, and
 * then of changes: additions go to the newest connection, removals to all.
 */
export class ZdsServer implements Disposable {
  readonly #loop: EventLoop
  readonly #options: ZdsServerOptions
  readonly #limits: ZdsLimits
  readonly #pods = new PodTable()
  readonly #acceptor: SeqpacketAcceptor
  /** Oldest first. */
  #connections: readonly ZdsConnection[] = []
  #isOpen = true

  /** @throws {SyscallError} when the socket cannot be made; `EADDRINUSE` when another agent answers there. */
  constructor(loop: EventLoop, options: ZdsServerOptions) {
    this.#loop = loop
    this.#options = options
    this.#limits = { ...zdsLimits, ...options.limits }
    this.#acceptor = new SeqpacketAcceptor(seqpacketListen(options.path), loop, this.#limits, (fd) =>
      this.#accept(fd),
    )
  }

  get connectionCount(): number {
    return this.#connections.length
  }

  get podCount(): number {
    return this.#pods.size
  }

  /** Takes a pod into every later snapshot without telling anyone now: what the agent finds at its start. Owns `pod.netns`. */
  hold(pod: ZdsPod): void {
    this.#pods.put(pod)
  }

  /**
   * Takes a pod into every later snapshot and tells the newest ztunnel. Owns `pod.netns` from here on. A result other
   * than `acked` leaves the pod in the table: call `remove` to give it up.
   */
  add(pod: ZdsAddition, onResult: OnResult): void {
    this.#pods.put(pod)
    const newest = this.#connections.at(-1)
    if (newest === undefined) return onResult({ kind: 'no-connection' })
    const { uid, info } = pod
    newest.send({ kind: 'add', uid, info }, onResult)
  }

  /** Gives a pod up and tells every ztunnel. One result: the first that is not `acked`, if there is any. */
  remove(uid: string, onResult: OnResult): void {
    this.#pods.delete(uid)
    const connections = this.#connections
    if (connections.length === 0) return onResult({ kind: 'no-connection' })
    let left = connections.length
    let worst: ZdsResult = { kind: 'acked' }
    for (const connection of connections) {
      connection.send({ kind: 'del', uid }, (result) => {
        if (worst.kind === 'acked') worst = result
        left--
        if (left === 0) onResult(worst)
      })
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#acceptor.close()
    unlinkSync(this.#options.path)
    for (const connection of this.#connections) connection.close('the agent ends')
    this.#pods[Symbol.dispose]()
  }

  #accept(fd: number): void {
    if (this.#connections.length >= this.#limits.connections) {
      closeDescriptor(fd)
      return
    }
    const connection = new ZdsConnection(fd, {
      loop: this.#loop,
      limits: this.#limits,
      pods: this.#pods,
      onRefused: (uid, error) => this.#options.onRefused(uid, error),
      onClosed: (closed, reason) => this.#forget(closed, reason),
    })
    // In the list before its hello, so that changes from here on queue behind its snapshot.
    this.#connections = [...this.#connections, connection]
    this.#options.onConnections(this.#connections.length, undefined)
  }

  #forget(connection: ZdsConnection, reason: string): void {
    this.#connections = this.#connections.filter((each) => each !== connection)
    this.#options.onConnections(this.#connections.length, reason)
  }
}
