import { MessageChannel, Worker } from 'node:worker_threads'
import { MailboxSender } from '@ambient/event-loop'
import { eventfd } from '@ambient/linux'
import type { Delta } from '@ambient/xds'
import type { MeshDelta } from '../state/mesh-snapshot.ts'
import type { ThreadStacks } from '../profile/pprof-message.ts'
import type { ProfileStep } from '../profile/thread-profiler.ts'
import { shareSockets } from '../worker/bind-pod.ts'
import type {
  WorkerCommand,
  WorkerDescription,
  WorkerReport,
  WorkerSettings,
  WorkerStart,
} from '../worker/messages.ts'
import { threadName } from '../worker/thread-name.ts'
import type { PodSocket } from '../worker/pod-socket.ts'
import { Gathering } from './gathering.ts'

export interface WorkerPoolOptions {
  readonly count: number
  readonly entry: URL
  readonly settings: Omit<WorkerSettings, 'index' | 'wakeFd'>
  readonly onReport: (report: WorkerReport) => void
  /** A byte thread that is gone leaves its sockets without an owner: the process must end. */
  readonly onLost: (cause: unknown) => void
}

export type NewPod = Omit<Extract<WorkerCommand, { kind: 'add-pod' }>, 'kind'>

interface Member {
  readonly thread: Worker
  readonly mailbox: MailboxSender<WorkerCommand>
}

const SLICE = 500
const HEAP_MB = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 }

/** The byte threads as one: commands go to all of them, answers are awaited from all. */
export class WorkerPool {
  readonly #members: Member[] = []
  readonly #options: WorkerPoolOptions
  readonly #waiting = new Map<
    string,
    { left: number; errors: string[]; done: (error: string | undefined) => void }
  >()
  readonly #descriptions = new Gathering<WorkerDescription>()
  readonly #profiles = new Gathering<ThreadStacks>()
  readonly #sockets = new Gathering<readonly PodSocket[]>()

  /** Commands may be posted at once: a thread takes them when it has come up. */
  constructor(options: WorkerPoolOptions) {
    this.#options = options
    for (let index = 0; index < options.count; index++) this.#spawn(index)
  }

  get count(): number {
    return this.#members.length
  }

  broadcast(command: WorkerCommand): void {
    for (const { mailbox } of this.#members) mailbox.post(command)
  }

  /**
   * Replicates a change. Large ones go in slices, so that no byte waits long behind them; each slice is one version.
   * Policies go first: a workload must not be seen before what restricts it.
   */
  replicate(delta: MeshDelta): void {
    const none = { upserts: [], removed: [] }
    for (const policies of slices(delta.policies))
      this.broadcast({ kind: 'snapshot-delta', delta: { addresses: none, policies } })
    for (const addresses of slices(delta.addresses))
      this.broadcast({ kind: 'snapshot-delta', delta: { addresses, policies: none } })
  }

  /** @returns The first worker's failure as text, after the others have let the pod go again; undefined when all listen. */
  async addPod(wish: NewPod): Promise<string | undefined> {
    const { uid, inherited, ...pod } = wish
    const shares = shareSockets(inherited, this.count)
    const error = await this.#askAll(`add ${uid}`, (index) => ({
      kind: 'add-pod',
      uid,
      ...pod,
      inherited: shares[index] ?? [],
    }))
    if (error !== undefined) await this.removePod(uid)
    return error
  }

  /** A workload in our own network namespace. @returns As `addPod`. */
  async addOwn(wish: Omit<Extract<WorkerCommand, { kind: 'add-own' }>, 'kind'>): Promise<string | undefined> {
    return this.#askAll(`add ${wish.uid}`, () => ({ kind: 'add-own', ...wish }))
  }

  async removePod(uid: string): Promise<void> {
    await this.#askAll(`remove ${uid}`, () => ({ kind: 'remove-pod', uid }))
  }

  /** Duplicates of the pod's listening sockets on every thread, the caller's; the threads go on accepting. */
  async shareSockets(uid: string): Promise<readonly PodSocket[]> {
    const all = await this.#sockets.ask(this.count, (request) =>
      this.broadcast({ kind: 'share-sockets', request, uid }),
    )
    return all.flat()
  }

  /** Accepts no more for a pod that another ztunnel serves now. */
  async parkPod(uid: string): Promise<void> {
    await this.#askAll(`park ${uid}`, () => ({ kind: 'park-pod', uid }))
  }

  async describe(): Promise<readonly WorkerDescription[]> {
    return this.#descriptions.ask(this.count, (request) => this.broadcast({ kind: 'describe', request }))
  }

  /** What each thread has to say of itself after `step`. */
  async profile(step: ProfileStep): Promise<readonly ThreadStacks[]> {
    return this.#profiles.ask(this.count, (request) => this.broadcast({ kind: 'profile', request, step }))
  }

  /** Resolves when every thread has finished its connections or cut them at the deadline. */
  async drain(): Promise<void> {
    await this.#askAll('drain', () => ({ kind: 'drain' }))
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ thread }) => thread.terminate()))
  }

  #spawn(index: number): void {
    const wakeFd = eventfd()
    const settings: WorkerSettings = { ...this.#options.settings, index, wakeFd }
    const { port1: commands, port2 } = new MessageChannel()
    const start: WorkerStart = { settings, commands: port2 }
    const thread = new Worker(this.#options.entry, {
      workerData: start,
      transferList: [port2],
      name: threadName(index),
      resourceLimits: HEAP_MB,
    })
    thread.on('message', (report: WorkerReport) => this.#onReport(report))
    thread.on('error', this.#options.onLost)
    this.#members.push({ thread, mailbox: new MailboxSender<WorkerCommand>(commands, wakeFd) })
  }

  #onReport(report: WorkerReport): void {
    switch (report.kind) {
      case 'pod-added':
        return this.#answer(`add ${report.uid}`, report.error)
      case 'pod-removed':
        return this.#answer(`remove ${report.uid}`, undefined)
      case 'pod-parked':
        return this.#answer(`park ${report.uid}`, undefined)
      case 'drained':
        return this.#answer('drain', undefined)
      case 'sockets':
        return this.#sockets.answer(report.request, report.sockets)
      case 'profiled':
        return this.#profiles.answer(report.request, report)
      case 'description':
        return this.#descriptions.answer(report.request, report.description)
      default:
        return this.#options.onReport(report)
    }
  }

  async #askAll(key: string, commandOf: (index: number) => WorkerCommand): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    this.#waiting.set(key, { left: this.count, errors: [], done: resolve })
    for (const [index, { mailbox }] of this.#members.entries()) mailbox.post(commandOf(index))
    return promise
  }

  #answer(key: string, error: string | undefined): void {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return
    if (error !== undefined) waiting.errors.push(error)
    if (--waiting.left > 0) return
    this.#waiting.delete(key)
    waiting.done(waiting.errors[0])
  }
}

/** A change in pieces of at most `SLICE` upserts, removals with the first; nothing for no change. */
function* slices<T>({ upserts, removed }: Delta<T>): Generator<Delta<T>> {
  for (let at = 0; at === 0 || at < upserts.length; at += SLICE) {
    const slice = { upserts: upserts.slice(at, at + SLICE), removed: at === 0 ? removed : [] }
    if (slice.upserts.length + slice.removed.length > 0) yield slice
  }
}
